use pogo_circuits::testing::forging::Forgery;
use pogo_circuits::testing::*;
use pogo_circuits::round::Shape;
use pogo_circuits::round::instances;
#[test]
fn list() {
    let (claim, openings) = round(&Shape::SMALLEST, 1);
    let f = Forgery::new(Shape::SMALLEST, claim, openings);
    let c = Checker::default();
    for x in c.constraints(f.grid()) { println!("{x}"); }
    let t = std::time::Instant::now();
    let mut g = f.clone();
    for _ in 0..20 { g.add((pogo_circuits::grid::Origin::Input, "momentum", pogo_circuits::grid::Advice::Digit), 0, 0); }
    println!("fill {:?}", t.elapsed() / 20);
    let t = std::time::Instant::now();
    let i = instances(g.grid());
    for _ in 0..20 { assert!(c.broken(g.grid(), &i).is_empty()); }
    println!("check {:?}", t.elapsed() / 20);
}
