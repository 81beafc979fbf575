// Delayed scaling, twin of `Scaling` in `protocol/src/step.rs`, over `exponents` and `maxima`: the
// largest magnitude seen at each site in this step.

// Exponent used at a site for values of exponent e; one thread of the dispatch keeps it.
fn fix_exponent(site: u32, e: i32, keeps: bool) -> i32 {
    let asked = e + byte_shift(maxima[site]);
    let used = select(asked, exponents[3u + 3u * site], exponents[0] != 0);
    if keeps {
        exponents[1u + 3u * site] = used;
        exponents[2u + 3u * site] = asked;
    }
    return used;
}
