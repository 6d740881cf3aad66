//! Word forms brought together: `smokes`, `smoked` and `smoking` are one word to every rule that follows.
//!
//! A light suffix stripper in the manner of Porter's first step, with the irregular verbs of a consultation. The same
//! function reads rules, lexicon and messages, so a stem need not be a word, only the same for all forms.

/// Writes the stem of `word` (lower case, without apostrophes) over `out`.
pub(crate) fn stem(word: &str, out: &mut String) {
    out.clear();
    if let Some(regular) = irregular(word) {
        out.push_str(regular);
    } else {
        out.push_str(word);
    }
    if !out.is_ascii() || out.len() < 4 || out.bytes().any(|byte| byte.is_ascii_digit()) {
        return;
    }
    spelling(out);
    plural(out);
    verb_ending(out);
    if out.len() > 3 && out.ends_with('e') {
        out.pop();
    }
    if out.len() > 3 && out.ends_with('y') && !ends_in_vowel(out, 1) {
        out.pop();
        out.push('i');
    }
}

/// American and British spellings: `diarrhea` and `diarrhoea`, `tumor` and `tumour`.
fn spelling(word: &mut String) {
    if word.len() >= 6 {
        for pair in ["oe", "ae"] {
            if let Some(at) = word.find(pair) {
                word.replace_range(at..at + 2, "e");
            }
        }
    }
    for (long, short) in [("our", "or"), ("ours", "ors")] {
        if word.len() >= 2 + long.len() && word.ends_with(long) {
            word.truncate(word.len() - long.len());
            word.push_str(short);
        }
    }
}

fn plural(word: &mut String) {
    let cut = |word: &mut String, by: usize| word.truncate(word.len() - by);
    if !word.ends_with('s') || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
    } else if word.ends_with("ies") && word.len() > 4 {
        cut(word, 3);
        word.push('y');
    } else if ["sses", "xes", "zes", "ches", "shes"].iter().any(|end| word.ends_with(end)) {
        cut(word, 2);
    } else {
        cut(word, 1);
    }
}

fn verb_ending(word: &mut String) {
    let base = if word.len() >= 6 && word.ends_with("ing") {
        word.len() - 3
    } else if word.len() >= 5 && word.ends_with("ed") && !word.ends_with("eed") {
        word.len() - 2
    } else {
        return;
    };
    if !word[..base].bytes().any(|byte| b"aeiouy".contains(&byte)) {
        return;
    }
    word.truncate(base);
    // `stopped`, `swimming`; not `swelling` or `passed`, whose stems end in two letters.
    let bytes = word.as_bytes();
    if let [.., a, b] = bytes
        && a == b
        && b"bdgmnprt".contains(b)
    {
        word.pop();
    }
}

fn ends_in_vowel(word: &str, before_end: usize) -> bool {
    word.len().checked_sub(1 + before_end).is_some_and(|at| b"aeiou".contains(&word.as_bytes()[at]))
}

/// The base form of irregular words that matter here.
fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "is" | "are" | "was" | "were" | "been" | "am" | "being" => "be",
        "has" | "had" | "having" => "have",
        "does" | "did" | "done" | "doing" => "do",
        "lost" => "lose",
        "felt" => "feel",
        "took" | "taken" => "take",
        "began" | "begun" => "begin",
        "came" => "come",
        "went" | "gone" | "going" | "goes" => "go",
        "got" | "gotten" | "gets" => "get",
        "ate" | "eaten" => "eat",
        "drank" | "drunk" => "drink",
        "slept" => "sleep",
        "threw" | "thrown" => "throw",
        "fell" | "fallen" => "fall",
        "bled" => "bleed",
        "broke" | "broken" => "break",
        "woke" | "woken" => "wake",
        "swollen" => "swell",
        "feet" => "foot",
        "teeth" => "tooth",
        "children" => "child",
        "gave" | "given" => "give",
        "saw" | "seen" => "see",
        "told" => "tell",
        "thought" => "think",
        "said" => "say",
        "knew" | "known" => "know",
        "brought" => "bring",
        "made" => "make",
        "left" => "left",
        "kept" => "keep",
        "sent" => "send",
        "ran" => "run",
        "meant" => "mean",
        "evening" => "evenin",
        "used" | "using" => "use",
        "mum" | "mom" => "mother",
        "dad" => "father",
        "wee" | "weeing" => "pee",
        "poo" | "poos" => "stool",
        "tummy" => "belly",
        "ok" | "alright" => "okay",
        "hi" | "hey" => "hello",
        "bye" => "goodbye",
        "zero" => "0",
        "one" => "1",
        "ten" => "10",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        let of = |word: &str| {
            let mut out = String::new();
            stem(word, &mut out);
            out
        };
        for forms in [
            &["smoke", "smokes", "smoked", "smoking"][..],
            &["headache", "headaches"],
            &["rash", "rashes"],
            &["vomit", "vomits", "vomited", "vomiting"],
            &["allergy", "allergies"],
            &["worry", "worries", "worried"],
            &["diarrhoea", "diarrhea"],
            &["tumour", "tumors"],
            &["take", "takes", "took", "taken", "taking"],
            &["stop", "stopped", "stopping"],
            &["swell", "swelling", "swollen", "swells"],
            &["is", "are", "been"],
        ] {
            assert!(forms.iter().all(|form| of(form) == of(forms[0])), "{forms:?}");
        }
        for (a, b) in [("bleed", "bleach"), ("test", "tester"), ("even", "evening"), ("pain", "paint")] {
            assert_ne!(of(a), of(b));
        }
        for odd in ["", "s", "é", "ing", "ed", "ß", "sing", "œdème", "ses"] {
            of(odd);
        }
    }
}
