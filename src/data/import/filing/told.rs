//! What the patient knows: symptoms, and the history behind them.

use crate::data::case::{Aspect, Finding, Importance, Reveal, Sex, Topic};
use crate::data::import::concept::Concepts;
use crate::data::import::draft::Draft;
use crate::data::import::scope::finding_of;
use crate::data::import::sentence::{aspects, denied, finding};
use crate::data::import::voice::{first_person, i_have_no};
use crate::data::lexicon::ConceptKind;

use super::{charted, drugs, first};

/// A fact is filed under so many concepts at most.
const MOST_CONCEPTS: usize = 5;

/// What a symptom is filed under that has no name in the lexicon, where no complaint came before.
pub(in crate::data::import) const UNNAMED: &str = "present illness";

/// Circumstances that are told within the story of a complaint: `Fever since he returned from a cruise.`
const EXPOSURES: [&str; 2] = ["travel", "sick contacts"];

/// Concepts that tell more of a person than most questions need.
const PRIVATE: [&str; 6] = [
    "sexual history",
    "recreational drug use",
    "alcohol",
    "relationship trouble",
    "money worry",
    "suicidal thoughts",
];

/// The topic that a fact's words settle whatever else it names.
pub(in crate::data::import) fn topic_by_words(lower: &str, text: &str, concepts: &Concepts) -> Option<Topic> {
    const FAMILY: &[&str] =
        &["family history", "runs in the family", "siblings", "grandfather", "grandmother", "cousin"];
    const RELATIVES: [&str; 9] =
        ["mother", "father", "brother", "sister", "aunt", "uncle", "son", "daughter", "parents"];
    const SPEAK: &[&str] = &[
        "report",
        "says",
        "said",
        "state ",
        "states",
        "according to",
        "brought",
        "brings",
        "noticed",
        "notices",
        "denies",
        "described",
        "describes",
        "mentions",
        "tells",
        "told",
        "accompanied",
        "lives",
        "is concerned",
        "are concerned",
        "worried",
        "complain",
        "explains",
        "adds",
        "claims",
        "recalls",
        "thinks",
        "believes",
        "by his",
        "by her",
        "with his",
        "with her",
        "to his",
        "to her",
    ];
    const OF_RELATIVES: &[&str] = &[
        "has",
        "have",
        "had",
        "died",
        "was diagnosed",
        "were diagnosed",
        "suffer",
        "is healthy",
        "are healthy",
        "been treated",
        "with",
        "is alive",
        "developed",
    ];
    let relative = RELATIVES.iter().any(|&word| {
        first(lower, &[word]).is_some_and(|at| {
            // `mother` and `mother's`, not `motherhood`.
            !lower
                .get(at + word.len()..)
                .is_some_and(|after| after.starts_with(|c: char| c.is_alphabetic() && c != 's'))
        })
    });
    if first(lower, FAMILY).is_some()
        || (relative && first(lower, SPEAK).is_none() && first(lower, OF_RELATIVES).is_some())
    {
        return Some(Topic::Family);
    }
    if first(lower, &["allerg"]).is_some()
        && first(lower, &["allergic rhinitis", "allergic reaction"]).is_none()
    {
        return Some(Topic::Allergy);
    }
    const DRUGS: &[&str] = &[
        "medication",
        "prescribed",
        "supplement",
        "over-the-counter",
        "treated with",
        "nasal spray",
        "inhaler",
        "contracepti",
        "antibiotic",
    ];
    const TAKES: &[&str] =
        &["takes ", "taking ", "is on ", "uses ", "placed on ", "started on ", "maintained on "];
    let measured = first(lower, &["level", "serum", "test", "examination", "culture"]).is_some();
    let drug = || {
        !concepts.within(text, &[ConceptKind::Substance]).is_empty()
            || first(lower, &["daily", "mg"]).is_some()
            || drugs::is_named(lower)
    };
    if !measured && (first(lower, DRUGS).is_some() || (first(lower, TAKES).is_some() && drug())) {
        return Some(Topic::Medication);
    }
    const SOCIAL: &[&str] = &[
        "smok",
        "cigarette",
        "alcohol",
        "glass of wine",
        "beer",
        "illicit",
        "recreational",
        "cocaine",
        "heroin",
        "marijuana",
        "sexually active",
        "sexual partner",
        "lives with",
        "lives alone",
        "lives in",
        "works as",
        "works at",
        "works in",
        "his job",
        "her job",
        "emigrated",
        "immigra",
        "immuniz",
        "immunis",
        "vaccin",
        "homeless",
        "sick contact",
    ];
    let shown = first(lower, &["examination", "exam ", "laborator", "toxicology", "test "]).is_some();
    (first(lower, SOCIAL).is_some() && !shown).then_some(Topic::Social)
}

/// The topic that what a fact names settles; `None` for a symptom, or where nothing of the kind is named.
pub(in crate::data::import) fn topic_by_concept(
    lower: &str,
    text: &str,
    concepts: &Concepts,
) -> Option<Topic> {
    let has = |cues: &[&str]| first(lower, cues).is_some();
    if has(&["worried", "is concerned", "afraid", "is anxious about"]) {
        return Some(Topic::Concern);
    }
    const PAST: &[&str] = &[
        "medical history",
        "history of",
        "past history",
        "surgery",
        "surgical",
        "hospitalized",
        "diagnosed",
        "underwent",
        "was born",
        "delivered",
        "gestation",
        "pregnan",
        "menarche",
        "menopause",
        "developmental",
        "milestones",
        "prenatal",
        "transfusion",
        "childhood",
        "previously healthy",
        "otherwise healthy",
        "vaginal delivery",
        "cesarean",
    ];
    let text = &charted(text);
    let symptom = !concepts.within(text, &[ConceptKind::Symptom]).is_empty();
    // `A 2-week history of fever` is the present.
    let present = has(&["day history", "week history", "month history", "year history", "hour history"])
        || ["-day history", "-week history", "-month history", "-year history", "-hour history"]
            .iter()
            .any(|cue| lower.contains(cue));
    let of_symptom = symptom && has(&["history of"]) && !has(&["medical history", "past history"]);
    if (has(PAST) || counts_births(lower)) && !present && !of_symptom {
        return Some(Topic::History);
    }
    const LIFE: &[&str] = &[
        "drinks ",
        "drinking",
        "exercises",
        "diet",
        "vegetarian",
        "vegan",
        "retired",
        "student",
        "hiking",
        "camping",
        "married",
        "divorced",
        "travel",
        "pets",
        "day care",
        "daycare",
        "school",
        "preschool",
        "works ",
        "job",
        "husband",
        "wife",
        "boyfriend",
        "girlfriend",
    ];
    if !symptom && has(LIFE) {
        return Some(Topic::Social);
    }
    let ill = !concepts.within(text, &[ConceptKind::Condition]).is_empty();
    (ill && !symptom && !present).then_some(Topic::History)
}

/// Whether a word counts pregnancies and births: `G2P1`, `gravida 2`.
fn counts_births(lower: &str) -> bool {
    let counts = |word: &str| {
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        word.strip_prefix('g')
            .filter(|rest| digit(rest))
            .and_then(|rest| rest.split_once('p'))
            .is_some_and(|(before, after)| before.chars().all(|c| c.is_ascii_digit()) && digit(after))
    };
    first(lower, &["gravida ", "primigravid", "multigravid", "nulligravid"]).is_some()
        || lower.split(|c: char| !c.is_alphanumeric()).any(counts)
}

/// What a fact of `topic` is filed under that names nothing.
pub(in crate::data::import) fn whole(topic: Topic) -> &'static str {
    match topic {
        Topic::Medication => "medication",
        Topic::Allergy => "allergy",
        Topic::Family => "family illness",
        Topic::Social => "social history",
        Topic::Concern => "worry",
        _ => "past illness",
    }
}

/// The history beside the present illness, filed under all it names and under its topic.
pub(in crate::data::import) fn background(
    topic: Topic,
    text: &str,
    sex: Sex,
    concepts: &Concepts,
) -> Vec<Draft> {
    use ConceptKind::{Circumstance, Condition, Measure, Substance, Symptom};
    let kinds: &[ConceptKind] = match topic {
        Topic::Medication | Topic::Allergy => &[Substance],
        Topic::Family => &[Condition, Symptom],
        Topic::Social => &[Circumstance],
        Topic::Concern => &[],
        _ => &[Condition, Measure, Symptom],
    };
    let whole = whole(topic);
    let named: Vec<&str> = concepts
        .within(&charted(text), kinds)
        .into_iter()
        .filter(|name| *name != whole && !(topic == Topic::Allergy && *name == "medication"))
        .take(MOST_CONCEPTS)
        .collect();
    let importance = match topic {
        Topic::Allergy => Importance::Essential,
        Topic::Social => Importance::Routine,
        _ => Importance::Useful,
    };
    let names = if named.is_empty() { vec![whole] } else { named };
    let draft = |name: &str| {
        let mut draft = Draft::new(topic, name, text)
            .said(first_person(text, sex))
            .finding(finding_of(text, name, kinds, concepts))
            .importance(importance);
        draft.private = PRIVATE.contains(&name);
        draft
    };
    let mut drafts: Vec<Draft> = names.into_iter().map(draft).collect();
    // `Has hypertension treated with ..` is an answer to both.
    if topic == Topic::Medication && drafts.iter().any(|draft| draft.finding == Finding::Present) {
        for illness in concepts.within(&charted(text), &[Condition]).into_iter().take(MOST_CONCEPTS) {
            let finding = finding_of(text, illness, &[Condition], concepts);
            drafts.push(Draft { topic: Topic::History, ..draft(illness) }.finding(finding));
        }
    }
    drafts
}

/// Symptoms, each under its own name. One that names none is about the complaint, told when the aspect is asked for that
/// it tells of, and else with the story.
pub(in crate::data::import) fn symptoms(
    text: &str,
    complaint: Option<&str>,
    sex: Sex,
    concepts: &Concepts,
) -> Vec<Draft> {
    let named = |text: &str| -> Vec<String> {
        let kinds = [ConceptKind::Symptom];
        concepts.within(&charted(text), &kinds).into_iter().take(MOST_CONCEPTS).map(str::to_owned).collect()
    };
    let denials = denied(text);
    // Each on its own, where all are known; else as one sentence, which a name of no lexicon would not be found by.
    if !denials.is_empty() && denials.iter().all(|item| named(item).len() == 1) {
        return denials
            .iter()
            .flat_map(|item| named(item).into_iter().map(move |name| (name, *item)))
            .map(|(name, item)| {
                let draft = Draft::new(Topic::Symptom, name, format!("no {item}"));
                draft.finding(Finding::Absent).said(i_have_no(item))
            })
            .collect();
    }
    let (finding, tells) = (finding(text), aspects(text));
    let details = || tells.iter().copied().filter(|aspect| *aspect != Aspect::Presence);
    let draft = |name: &str| {
        let draft = Draft::new(Topic::Symptom, name, text).said(first_person(text, sex));
        let mut draft = draft.finding(finding).importance(Importance::Useful);
        draft.private = PRIVATE.contains(&name);
        draft
    };
    let mut drafts = Vec::new();
    let names = named(text);
    for name in &names {
        let finding = finding_of(text, name, &[ConceptKind::Symptom], concepts);
        drafts.push(draft(name).finding(finding));
        if finding == Finding::Present {
            drafts.extend(details().map(|aspect| draft(name).finding(finding).aspect(aspect)));
        }
    }
    // A journey that a complaint came after is an answer to a question for journeys, too.
    let circumstance = [ConceptKind::Circumstance];
    let there = |name: &&str| {
        EXPOSURES.contains(name) && finding_of(text, name, &circumstance, concepts) == Finding::Present
    };
    let exposures = concepts.within(text, &circumstance).into_iter().filter(there);
    drafts.extend(
        exposures.map(|name| Draft { topic: Topic::Social, ..draft(name) }.finding(Finding::Present)),
    );
    if names.is_empty() {
        match complaint.filter(|_| details().next().is_some()) {
            Some(complaint) => drafts.extend(details().map(|aspect| draft(complaint).aspect(aspect))),
            None => drafts.push(draft(complaint.unwrap_or(UNNAMED)).reveal(Reveal::Opening)),
        }
    }
    drafts
}

/// What the first symptom that is there is called.
pub(in crate::data::import) fn complaint(drafts: &[Draft]) -> Option<String> {
    drafts.iter().find(|draft| draft.finding == Finding::Present).map(|draft| draft.concept.clone())
}
