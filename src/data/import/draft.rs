//! A case in the making.

use std::collections::BTreeMap;

use super::concept::{Concepts, names_one_of, plain_name, slug};
use super::conclusion::{Heads, without};
use super::sentence::sentences;
use crate::data::case::{
    Aspect, Case, Fact, FactId, Finding, Importance, Origin, Reveal, Stratum, Topic, Truth,
};
use crate::data::lexicon::Lexicon;
use crate::data::phi::{Deidentified, RawRecord};

/// A fact before it has an id.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub topic: Topic,
    pub concept: String,
    pub aspect: Aspect,
    pub finding: Finding,
    pub text: String,
    pub said: Option<String>,
    pub reveal: Reveal,
    pub importance: Importance,
    pub private: bool,
}

impl Draft {
    /// A fact that is told when asked for, or when examined or tested, as its topic says.
    pub fn new(topic: Topic, concept: impl Into<String>, text: impl Into<String>) -> Self {
        let reveal = match topic {
            Topic::Examination => Reveal::OnExamination,
            Topic::Test => Reveal::OnTest,
            _ => Reveal::OnQuestion,
        };
        Self {
            topic,
            concept: concept.into(),
            aspect: Aspect::Presence,
            finding: Finding::Present,
            text: text.into(),
            said: None,
            reveal,
            importance: Importance::Routine,
            private: false,
        }
    }

    pub fn said(mut self, said: impl Into<String>) -> Self {
        self.said = Some(said.into());
        self
    }

    pub fn aspect(mut self, aspect: Aspect) -> Self {
        self.aspect = aspect;
        self
    }

    pub fn finding(mut self, finding: Finding) -> Self {
        self.finding = finding;
        self
    }

    pub fn reveal(mut self, reveal: Reveal) -> Self {
        self.reveal = reveal;
        self
    }

    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }
}

/// What the diagnosis is called: its name, without brackets, what stands in brackets, and the lexicon's phrases.
pub(super) fn names_of(diagnosis: &str, lexicon: &Lexicon, concepts: &Concepts) -> Vec<String> {
    let concept = concepts.condition(diagnosis);
    let mut names = vec![diagnosis.to_lowercase(), plain_name(diagnosis), concept.clone()];
    if let Some((_, rest)) = diagnosis.split_once('(') {
        let inner = rest.trim_end_matches(')').to_lowercase();
        // `(disorder)` names the kind of code, `(PML)` the disease.
        if !matches!(
            inner.as_str(),
            "disorder" | "finding" | "situation" | "morphologic abnormality" | "procedure"
        ) {
            names.push(inner);
        }
    }
    // `Hirschsprung's disease` is also told by `Hirschsprung`, an epidermoid cyst not by `epidermoid`.
    if let Some((first, _)) = diagnosis.split_once([' ', '\'', '’']) {
        let eponym = diagnosis.to_lowercase().contains("disease") || diagnosis.contains(['\'', '’']);
        if eponym && first.chars().count() > 4 && first.chars().next().is_some_and(char::is_uppercase) {
            let common =
                ["acute", "chronic", "active", "infectious", "essential", "primary", "coronary", "diabetic"];
            if !common.contains(&first.to_lowercase().as_str()) {
                names.push(first.to_lowercase());
            }
        }
    }
    if let Some(concept) = lexicon.get(&concept) {
        names.extend(concept.phrases.iter().cloned());
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

/// Makes the case: ids for the facts, and nothing in them that names the diagnosis.
///
/// A sentence of a finding that names it is cut, and so is the conclusion of one that gives its head away
/// ([`without`]); what the patient would say that names it is never told. The number
/// of facts touched so is returned with the case.
pub(super) fn finish(
    record: &Deidentified<RawRecord>,
    id: String,
    stratum: Stratum,
    openings: [&str; 2],
    drafts: Vec<Draft>,
    truth: Truth,
    forbidden: &[String],
) -> (Case, u64) {
    let mut hidden = 0;
    let heads = Heads::of(forbidden);
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    let mut facts = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        let finding = matches!(draft.topic, Topic::Examination | Topic::Test);
        let names = |text: &str| names_one_of(text, forbidden);
        if draft.reveal != Reveal::Never && finding {
            let sentences = sentences(&draft.text);
            let kept = sentences.iter().filter(|sentence| !names(sentence));
            let kept: Vec<String> = kept.filter_map(|sentence| without(sentence, &heads)).collect();
            let said = draft.said.as_deref().is_some_and(names);
            if said || !kept.iter().eq(sentences.iter()) {
                hidden += 1;
                if said || kept.is_empty() {
                    draft.reveal = Reveal::Never;
                } else {
                    draft.text = kept.join(" ");
                }
            }
        } else if draft.reveal != Reveal::Never
            && (names(&draft.text) || draft.said.as_deref().is_some_and(names))
        {
            hidden += 1;
            draft.reveal = Reveal::Never;
        }
        let stem = format!("{}.{}", slug(&draft.concept), draft.aspect.name());
        let count = used.entry(stem.clone()).or_default();
        *count += 1;
        let id = if *count == 1 { stem } else { format!("{stem}.{count}") };
        let Draft { topic, concept, aspect, finding, text, said, reveal, importance, private } = draft;
        facts.push(Fact {
            id: FactId(id),
            topic,
            concept,
            aspect,
            finding,
            text,
            said,
            reveal,
            importance,
            private,
        });
    }
    let [wanted, plain] = openings;
    let opening = if names_one_of(wanted, forbidden) { plain } else { wanted };
    let origin = Origin::Imported {
        format: record.get().schema.name().to_owned(),
        file: record.source().to_owned(),
        record: record.record(),
        overridden: record.overridden().to_vec(),
    };
    let presentation = slug(&truth.diagnosis);
    (Case { id, presentation, stratum, opening: opening.to_owned(), facts, truth, origin }, hidden)
}
