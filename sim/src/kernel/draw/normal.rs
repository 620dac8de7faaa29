//! The standard normal distribution: its quantile function, its cumulative and its density function.
//! Never draws by itself; one uniform number gives one normal number.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The 99th percentile of the standard normal distribution.
pub(super) const Z99: f64 = 2.326_347_874_040_841;

/// The quantile function: the number that a standard normal variable is below with probability `p`.
///
/// Needs 0 < `p` < 1. Accurate to about 1 part in 10^16: M. J. Wichura, "Algorithm AS 241: The Percentage
/// Points of the Normal Distribution", Applied Statistics 37(3), 1988, pages 477-484, routine PPND16.
/// It is odd about one half.
pub(super) fn quantile(p: f64) -> f64 {
    /// Within it of the centre, one rational function in the square of the distance serves.
    const CENTRE: f64 = 0.425;
    /// Where the two rational functions for the tails meet, in terms of sqrt(-ln p).
    const FAR_TAIL: f64 = 5.0;
    let from_centre = p - 0.5;
    if from_centre.abs() <= CENTRE {
        let r = CENTRE * CENTRE - from_centre * from_centre;
        return from_centre * ratio(r, &CENTRE_ABOVE, &CENTRE_BELOW);
    }
    let tail = if from_centre < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let distance = if r <= FAR_TAIL {
        ratio(r - 1.6, &TAIL_ABOVE, &TAIL_BELOW)
    } else {
        ratio(r - FAR_TAIL, &FAR_TAIL_ABOVE, &FAR_TAIL_BELOW)
    };
    if from_centre < 0.0 { -distance } else { distance }
}

/// The probability that a standard normal variable is below `z`.
pub(super) fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The density of a standard normal variable at `z`.
pub(super) fn density(z: f64) -> f64 {
    libm::exp(-0.5 * z * z) / (2.0 * PI).sqrt()
}

/// One polynomial over another, each from its highest coefficient to its lowest.
#[inline]
fn ratio(x: f64, above: &[f64; 8], below: &[f64; 8]) -> f64 {
    let horner = |coefficients: &[f64; 8]| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    horner(above) / horner(below)
}

const CENTRE_ABOVE: [f64; 8] = [
    2.509_080_928_730_122_6e3,
    3.343_057_558_358_813e4,
    6.726_577_092_700_87e4,
    4.592_195_393_154_987e4,
    1.373_169_376_550_946e4,
    1.971_590_950_306_551_3e3,
    1.331_416_678_917_843_8e2,
    3.387_132_872_796_366_5,
];
const CENTRE_BELOW: [f64; 8] = [
    5.226_495_278_852_854e3,
    2.872_908_573_572_194_3e4,
    3.930_789_580_009_271e4,
    2.121_379_430_158_659_7e4,
    5.394_196_021_424_751e3,
    6.871_870_074_920_579e2,
    4.231_333_070_160_091e1,
    1.0,
];
const TAIL_ABOVE: [f64; 8] = [
    7.745_450_142_783_414e-4,
    2.272_384_498_926_918_4e-2,
    2.417_807_251_774_506e-1,
    1.270_458_252_452_368_4,
    3.647_848_324_763_204_5,
    5.769_497_221_460_691,
    4.630_337_846_156_546,
    1.423_437_110_749_683_5,
];
const TAIL_BELOW: [f64; 8] = [
    1.050_750_071_644_416_9e-9,
    5.475_938_084_995_345e-4,
    1.519_866_656_361_645_7e-2,
    1.481_039_764_274_800_8e-1,
    6.897_673_349_851e-1,
    1.676_384_830_183_803_8,
    2.053_191_626_637_759,
    1.0,
];
const FAR_TAIL_ABOVE: [f64; 8] = [
    2.010_334_399_292_288_1e-7,
    2.711_555_568_743_487_6e-5,
    1.242_660_947_388_078_4e-3,
    2.653_218_952_657_612_4e-2,
    2.965_605_718_285_048_7e-1,
    1.784_826_539_917_291_3,
    5.463_784_911_164_114,
    6.657_904_643_501_103,
];
const FAR_TAIL_BELOW: [f64; 8] = [
    2.044_263_103_389_939_8e-15,
    1.421_511_758_316_446e-7,
    1.846_318_317_510_054_8e-5,
    7.868_691_311_456_133e-4,
    1.487_536_129_085_061_5e-2,
    1.369_298_809_227_358e-1,
    5.998_322_065_558_88e-1,
    1.0,
];
