//! What somebody may have meant by a name that does not exist.

/// Names that other trainers have for fields of ours.
const ELSEWHERE: [(&str, &str); 11] = [
    ("learning_rate", "lr"),
    ("num_generations", "group_size"),
    ("max_grad_norm", "grad_clip"),
    ("max_completion_length", "max_new_tokens"),
    ("max_response_length", "max_new_tokens"),
    ("epsilon", "epsilon_low"),
    ("clip_ratio_low", "epsilon_low"),
    ("clip_ratio_high", "epsilon_high"),
    ("num_train_epochs", "epochs"),
    ("loss_type", "objective"),
    ("scale_rewards", "advantage"),
];

/// Up to three of `candidates` that look like `name` or are what others call so, the nearest first.
pub(super) fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let ours = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
    let most = (name.chars().count() / 3).clamp(1, 4);
    let mut ranked: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let edits = distance(&name, candidate);
            // A part of the name (`temp`, `learning_rate_warmup_steps`) is as good as one slip.
            let part = name.len() >= 2
                && candidate.len() >= 2
                && (candidate.starts_with(&name) || candidate.ends_with(&name) || name.ends_with(candidate));
            let rank = match ours {
                Some(ours) if ours == candidate => 0,
                _ if part => edits.min(1),
                _ => edits,
            };
            (rank <= most).then_some((rank, candidate))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// How many letters must be put in, left out, changed or swapped with their neighbour to make `b` of `a` (optimal
/// string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Names of fields are short; of longer ones none is near.
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted() {
        for (a, b, want) in
            [("", "", 0), ("lr", "", 2), ("seed", "sede", 1), ("steps", "step", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_come_first_and_strangers_not_at_all() {
        let fields = ["seed", "steps", "device", "temperature", "group_size"];
        assert_eq!(near("sede", fields), ["seed"]);
        assert_eq!(near("Step", fields), ["steps"]);
        assert_eq!(near("temp", fields), ["temperature"]);
        assert_eq!(near("groupsize", fields), ["group_size"]);
        assert_eq!(near("num_generations", fields), ["group_size"]);
        assert!(near("learning_rate", fields).is_empty());
        assert!(near("unrelated", fields).is_empty());
        assert!(near(&"x".repeat(5000), fields).is_empty());
    }
}
