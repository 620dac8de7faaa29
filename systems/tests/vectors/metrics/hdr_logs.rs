//! HdrHistogram's interval logs: every interval is decoded, merged into one histogram, and compared with what the
//! Java implementation reads from the same log.

use crate::folder::vectors;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use foreshock_systems::metrics::Accumulator;
use foreshock_systems::metrics::Histogram;
use foreshock_systems::metrics::Quantile;
use foreshock_systems::metrics::histogram::{HdrConfig, HdrHistogram, HdrLayout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// All intervals of one tag, merged.
struct Merged {
    intervals: u64,
    histogram: HdrHistogram,
}

#[test]
fn interval_logs_of_all_versions_read_as_in_java() {
    let Some(folder) = vectors("hdr") else { return };
    let text = fs::read_to_string(folder.join("expected.json")).expect("the expected results can be read");
    let expected: Value = serde_json::from_str(&text).expect("the expected results are JSON");
    let logs = expected["full_file"].as_object().expect("there is an entry per log");
    for (name, expected) in logs {
        let by_tag = read_log(&folder.join(name));
        let total: u64 = by_tag.values().map(|merged| merged.histogram.count()).sum();
        match expected.get("total_no_tag") {
            Some(all) => {
                assert_eq!(all.as_u64(), Some(total), "{name}");
                let [untagged, tagged] = ["", "A"].map(|tag| &by_tag[tag]);
                assert_eq!((untagged.intervals, tagged.intervals), (21, 21), "{name}");
                assert_eq!(untagged.histogram, tagged.histogram, "{name}: tag A is a copy");
            }
            None => {
                let merged = &by_tag[""];
                let found = serde_json::json!({
                    "histograms": merged.intervals,
                    "total": total,
                    "p99.9": merged.histogram.quantile(Quantile::P999),
                    "max": merged.histogram.totals().max().map(|max| highest_like(&merged.histogram, max)),
                });
                for (key, value) in found.as_object().expect("it was made as one") {
                    assert_eq!(&expected[key], value, "{name}: {key}");
                }
            }
        }
    }
    println!("hdr: {} of {} logs ran", logs.len(), logs.len());
    assert_eq!(logs.len(), 5, "all the logs there are");
}

/// Java reports the highest value of the bucket.
fn highest_like(histogram: &HdrHistogram, value: u64) -> u64 {
    histogram.layout().highest_at(histogram.layout().index_of(value))
}

/// The log's histograms by tag; without a tag it is the empty one.
fn read_log(path: &Path) -> BTreeMap<String, Merged> {
    let text = fs::read_to_string(path).expect("the log can be read");
    let mut by_tag = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', '"'])) {
        let (tag, line) = match line.strip_prefix("Tag=").and_then(|rest| rest.split_once(',')) {
            Some((tag, rest)) => (tag, rest),
            None => ("", line),
        };
        let encoded = line.rsplit(',').next().expect("a line has its histogram last");
        let bytes = STANDARD.decode(encoded.trim()).expect("histograms are written in base 64");
        let blank = HdrConfig { lowest: 1, highest: 1 << 50, digits: 3 };
        let merged = by_tag.entry(tag.to_string()).or_insert_with(|| Merged {
            intervals: 0,
            histogram: HdrHistogram::new(blank).expect("the range is a sensible one"),
        });
        merged.intervals += 1;
        decode(&bytes, &mut merged.histogram);
    }
    by_tag
}

/// Adds a compressed histogram: cookie, length, and the histogram packed by zlib.
fn decode(bytes: &[u8], into: &mut HdrHistogram) {
    let mut body = Vec::new();
    ZlibDecoder::new(&bytes[8..]).read_to_end(&mut body).expect("the body is packed by zlib");
    let mut body = Reader { rest: &body };
    let cookie = body.u32();
    match cookie & !0xf0 {
        0x1c84_9308 => {
            let (digits, lowest) = (body.u32(), body.u64());
            let _highest_and_total = (body.u64(), body.u64());
            decode_fixed(cookie, layout(digits, lowest), body, into);
        }
        0x1c84_9301 => {
            let _length_and_offset = (body.u32(), body.u32());
            let (digits, lowest) = (body.u32(), body.u64());
            let _highest_and_ratio = (body.u64(), body.u64());
            decode_fixed(cookie, layout(digits, lowest), body, into);
        }
        0x1c84_9303 => {
            let _length_and_offset = (body.u32(), body.u32());
            let (digits, lowest) = (body.u32(), body.u64());
            let _highest_and_ratio = (body.u64(), body.u64());
            decode_packed(layout(digits, lowest), body, into);
        }
        other => panic!("a histogram of unknown version, cookie {other:x}"),
    }
}

fn layout(digits: u32, lowest: u64) -> HdrLayout {
    HdrLayout::new(lowest, u64::MAX, digits as u8).expect("logs have sensible layouts")
}

/// Counts of a fixed width, which the cookie tells.
fn decode_fixed(cookie: u32, layout: HdrLayout, mut body: Reader<'_>, into: &mut HdrHistogram) {
    let width = (cookie >> 4 & 0xf) as usize;
    for index in 0.. {
        if body.rest.len() < width {
            break;
        }
        into.record_n(layout.lowest_at(index), body.number(width));
    }
}

/// Counts in zigzag variable length; a negative one is that many empty buckets.
fn decode_packed(layout: HdrLayout, mut body: Reader<'_>, into: &mut HdrHistogram) {
    let mut index = 0;
    while !body.rest.is_empty() {
        let word = body.variable();
        let count = (word >> 1) as i64 ^ -((word & 1) as i64);
        if count < 0 {
            index += count.unsigned_abs() as usize;
        } else {
            into.record_n(layout.lowest_at(index), count as u64);
            index += 1;
        }
    }
}

/// Big-endian numbers one after the other.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn number(&mut self, width: usize) -> u64 {
        let (number, rest) = self.rest.split_at(width);
        self.rest = rest;
        number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn u32(&mut self) -> u32 {
        self.number(4) as u32
    }

    fn u64(&mut self) -> u64 {
        self.number(8)
    }

    /// Seven bits a byte, the lowest first; the ninth byte has eight.
    fn variable(&mut self) -> u64 {
        let mut word = 0;
        for place in 0..9 {
            let byte = self.number(1);
            if place == 8 {
                return word | byte << 56;
            }
            word |= (byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        word
    }
}
