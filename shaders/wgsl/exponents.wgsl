// Exponents of a step: `exponents[0]` tells whether they were fixed before it; site s has three words
// from 1 + 3 s on: the exponent used, the one asked for, the one fixed before the step.

// Exponent of a product: that of one operand, if it has a site, that of the other likewise, and a
// constant for what has none.
fn exponent_of(site: u32, other_site: u32, constant: i32) -> i32 {
    var e = constant;
    if site != NO_SITE {
        e += exponents[1u + 3u * site];
    }
    if other_site != NO_SITE {
        e += exponents[1u + 3u * other_site];
    }
    return e;
}
