//! Codes that look like one that was probably meant.

/// Codes that are named at most.
const NEAR_MAX: usize = 3;

/// Characters that may have to be put in, left out or replaced.
const DISTANCE_MAX: usize = 3;

/// Of these codes the few that look most like another, the nearest first.
pub fn near<'a>(code: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = code.to_ascii_uppercase();
    let measured =
        known.into_iter().filter_map(|known| Some((distance(wanted.as_bytes(), known.as_bytes())?, known)));
    let mut near: Vec<(usize, &str)> = measured.collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(NEAR_MAX).map(|(_, known)| known).collect()
}

/// The Levenshtein distance of two texts; none where it is too great.
fn distance(a: &[u8], b: &[u8]) -> Option<usize> {
    if a.len().abs_diff(b.len()) > DISTANCE_MAX {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
        if row.iter().all(|distance| *distance > DISTANCE_MAX) {
            return None;
        }
    }
    row.pop().filter(|distance| *distance <= DISTANCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_near() {
        let known = ["EXT-PRESSURE", "EXT-BODY", "EXT-SEAL", "DOR-LATCH", "EXT-PRESSURE"];
        for (written, expected) in [
            ("EXT-PRESURE", &["EXT-PRESSURE"][..]),
            ("ext-pressure", &["EXT-PRESSURE"]),
            ("EXT-BODL", &["EXT-BODY", "EXT-SEAL"]),
            ("DOOR-LATCH", &["DOR-LATCH"]),
            ("HYD-LANDING", &[]),
            ("", &[]),
            ("ü", &[]),
        ] {
            assert_eq!(near(written, known), expected, "{written}");
        }
    }
}
