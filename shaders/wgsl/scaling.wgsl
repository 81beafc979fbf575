// Delayed scaling, twin of `Scaling` in `protocol/src/step.rs`.
//
// `maxima[site]` is the largest magnitude seen at a site in this step. `exponents[0]` tells whether
// the step's exponents were fixed before it; site s has three words from 1 + 3 s on: the exponent
// used, the one asked for, the one fixed before the step. Needs `maxima` and `exponents`.

const NO_SITE: u32 = 0xFFFFFFFFu;

// Exponent of a product: that of one operand, if it has a site, that of the weights likewise, and a
// constant for what has none.
fn exponent_of(site: u32, weights_site: u32, constant: i32) -> i32 {
    var e = constant;
    if site != NO_SITE {
        e += exponents[1u + 3u * site];
    }
    if weights_site != NO_SITE {
        e += exponents[1u + 3u * weights_site];
    }
    return e;
}

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
