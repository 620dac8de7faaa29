//! Quantiles and shares from cumulative buckets (`le`), as scraped from classic histograms, whose counts may come
//! from rates and need not be whole or even monotone. Never looks below or above the outermost bounds.

/// How many values are at or below a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CumulativeBucket {
    /// The bound, `le`; infinity for the bucket of all.
    pub upper_bound: f64,
    /// Values at or below it.
    pub count: f64,
}

/// The value that a share `q` of the observations do not exceed, linear inside its bucket. Sorts the buckets, adds
/// those with the same bound and makes the counts monotone, in place.
///
/// Minus infinity for `q` below 0, infinity above 1. "Not a number" if `q` is, if there is no bucket of all, no
/// other bucket, or no observation. In the bucket of all the highest finite bound; in the first bucket, if its bound
/// is not above 0, that bound.
pub fn histogram_quantile(q: f64, buckets: &mut Vec<CumulativeBucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let Some(total) = tidy(buckets) else { return f64::NAN };
    let count_at = |position: usize| buckets[position].count;
    let [.., highest_finite, _] = buckets.as_slice() else { return f64::NAN };
    let rank = q * total;
    let last = buckets.len() - 1;
    let found = buckets.partition_point(|bucket| bucket.count < rank).min(last);
    if found == last {
        return highest_finite.upper_bound;
    }
    let upper = buckets[found].upper_bound;
    let Some(below) = found.checked_sub(1) else {
        return if upper <= 0.0 { upper } else { upper * (rank / count_at(0)) };
    };
    let lower = buckets[below].upper_bound;
    lower + (upper - lower) * ((rank - count_at(below)) / (count_at(found) - count_at(below)))
}

/// The share of observations between `lower` and `upper`, linear inside the buckets. Prepares the buckets as
/// [`histogram_quantile`] does.
///
/// "Not a number" if a bound is, if there is no bucket of all, or no observation. Zero if `lower` is not below
/// `upper`. The outermost buckets, being infinitely wide, count whole or not at all.
pub fn histogram_fraction(lower: f64, upper: f64, buckets: &mut Vec<CumulativeBucket>) -> f64 {
    let Some(total) = tidy(buckets).filter(|_| !lower.is_nan() && !upper.is_nan()) else { return f64::NAN };
    if lower >= upper {
        return 0.0;
    }
    // In a bucket without a beginning nothing is known to be below the upper bound, nor above the lower one.
    let below_upper = count_below(buckets, upper, |_| 0.0);
    let below_lower =
        count_below(buckets, lower, |first| if lower == f64::NEG_INFINITY { 0.0 } else { first });
    let between = below_upper - below_lower;
    if between > 0.0 { between / total } else { 0.0 }
}

/// Observations at or below `bound`, by tidy buckets; `in_endless` says how many of a first bucket that has no
/// beginning.
fn count_below(buckets: &[CumulativeBucket], bound: f64, in_endless: impl Fn(f64) -> f64) -> f64 {
    let found = buckets.partition_point(|bucket| bucket.upper_bound <= bound);
    let below = found.checked_sub(1).map(|position| buckets[position]);
    // A bound of infinity is past all buckets.
    let Some(bucket) = buckets.get(found) else { return below.map_or(0.0, |all| all.count) };
    let (low, count) = match below {
        Some(below) => (below.upper_bound, below.count),
        None if bucket.upper_bound <= 0.0 => return in_endless(bucket.count),
        None => (0.0, 0.0),
    };
    if bound <= low || bucket.upper_bound.is_infinite() {
        return count;
    }
    count + (bucket.count - count) * ((bound - low) / (bucket.upper_bound - low))
}

/// Sorted, each bound once, counts monotone. The count of all; `None` without a bucket of all, or with none in it.
fn tidy(buckets: &mut Vec<CumulativeBucket>) -> Option<f64> {
    buckets.retain(|bucket| !bucket.upper_bound.is_nan());
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    buckets.dedup_by(|next, kept| {
        let same = next.upper_bound == kept.upper_bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    let mut most = 0.0;
    for bucket in buckets.iter_mut() {
        if bucket.count > most {
            most = bucket.count;
        } else {
            bucket.count = most;
        }
    }
    buckets.last().filter(|all| all.upper_bound == f64::INFINITY && all.count > 0.0).map(|all| all.count)
}
