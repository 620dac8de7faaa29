//! "Did you mean": the nearest known name to one that is not known.

/// The nearest of `known` to `name`, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST_COMPARED {
        return None;
    }
    let name_lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1) + 1;
    let mut best: Option<(usize, &str)> = None;
    for candidate in known.into_iter().filter(|candidate| candidate.len() <= LONGEST_COMPARED) {
        let distance = strsim::damerau_levenshtein(&name_lower, &candidate.to_lowercase());
        let near = distance <= allowed && distance < candidate.chars().count();
        if near && best.is_none_or(|(smallest, _)| distance < smallest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Longer names, in bytes, are no slips of each other.
const LONGEST_COMPARED: usize = 80;

/// `did you mean `x`?`, or the list of what is known if nothing is near and the list is short.
pub(crate) fn help(name: &str, known: &[&str]) -> Option<String> {
    match nearest(name, known.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known here: {}", listed(known))),
    }
}

/// Most names shown in a list.
const MOST_LISTED: usize = 16;

/// The names, quoted and separated by commas; long lists are cut.
pub(crate) fn listed(names: &[&str]) -> String {
    let mut text =
        names.iter().take(MOST_LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_LISTED {
        text.push_str(&format!(" and {} more", names.len() - MOST_LISTED));
    }
    text
}
