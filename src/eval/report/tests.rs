//! Pages of hostile and of real data, read strictly.

use proptest::prelude::*;

use super::page_reader::{read, shown, tables_are_even};
use super::*;
use crate::data::bank::{Bank, SplitOptions};
use crate::data::consultation::{Consultation, Ending, Turn};
use crate::eval::{Bootstrap, Estimate, Evaluated, HeldOut, Part, Yardstick, baselines, measure};
use crate::rubric::{
    Axis, ConsultationMarks, Criterion, Generator, Judgement, Marks, Provenance, Rubric, RuleJudge, Scope,
};
use crate::sim::Limits;
use crate::sim::doctor::Tier;

fn estimate(mean: f64) -> Estimate {
    let ci95 = Some([mean - 0.1, mean + 0.1]);
    Estimate { mean, ci95, standard_error: Some(0.05), count: 7, clusters: Some(3) }
}

/// A report in which every text is `text`, with evidence from and to byte `span`.
fn report_of(text: &str, span: (usize, usize), numbers: &[f64]) -> ReportData {
    let owned = || text.to_owned();
    let criterion = |points: i8| Criterion {
        text: owned(),
        points,
        axis: Axis::Safety,
        provenance: Provenance::General,
        check: None,
    };
    let criteria: Vec<Criterion> = [5, -5, 3, -3, 2].map(criterion).into();
    let judgements = vec![
        Judgement::met(Some(span), text).at(span.0),
        Judgement::met(Some((span.0 / 2, span.1)), text),
        Judgement::not_met(text),
        Judgement::not_met(text),
        Judgement::not_judged(text),
    ];
    let marks = || Marks::new(Rubric { scope: Scope::Reply, criteria: criteria.clone() }, judgements.clone());
    let side = || {
        let turn = |patient: Option<String>, understood| Turn {
            doctor: owned(),
            patient,
            told: Vec::new(),
            asked: Vec::new(),
            understood,
        };
        let turns = vec![turn(Some(owned()), true), turn(Some(owned()), false), turn(None, true)];
        let consultation = Consultation {
            case_id: owned(),
            opening: owned(),
            found: None,
            turns,
            ending: Some(Ending::GaveUp),
        };
        // One message has no marks.
        let marks = ConsultationMarks { case_id: owned(), turns: vec![marks(), marks()], whole: marks() };
        SampleSide { consultation, marks }
    };
    let number = |at: usize| numbers.get(at % numbers.len().max(1)).copied().unwrap_or(0.5);
    let row = |at| crate::eval::Row {
        name: owned(),
        before: estimate(number(at)),
        after: estimate(number(at + 1)),
        gain: Estimate { ci95: None, ..estimate(number(at + 2)) },
    };
    let doctor = |kind, reward| DoctorRow {
        name: owned(),
        kind,
        reward,
        lead: Some(estimate(number(3))),
        reply_reward: None,
        turns: number(4),
        endings: [(owned(), 2), ("gave_up".into(), 1)].into(),
    };
    ReportData {
        run: RunFacts {
            name: owned(),
            date: owned(),
            seed: 1,
            device: owned(),
            facts: vec![(owned(), owned())],
            notes: vec![owned()],
        },
        comparison: Some(crate::eval::Comparison {
            overall: row(0),
            parts: vec![row(1)],
            axes: vec![row(2)],
            specialties: vec![row(3), row(4)],
            left_out: 2,
            bootstrap: Bootstrap::default(),
        }),
        doctors: vec![
            doctor(DoctorKind::Before, Some(estimate(number(1)))),
            doctor(DoctorKind::After, None),
            doctor(DoctorKind::Baseline, Some(estimate(number(2)))),
            doctor(DoctorKind::Reference, Some(Estimate { ci95: None, ..estimate(number(3)) })),
        ],
        curves: vec![
            Series::new(text, (0..).zip(numbers).map(|(at, y)| [f64::from(at), *y]).collect()).in_unit(text),
            Series::new(text, numbers.iter().map(|y| [*y, *y]).collect()),
            Series::new(text, Vec::new()),
        ],
        samples: vec![Sample {
            case_id: owned(),
            patient: owned(),
            diagnosis: owned(),
            part: Part::Presentations,
            reason: owned(),
            before: side(),
            after: side(),
        }],
        detectors: vec![DetectorRow { name: owned(), refused: 1, replies: 3 }],
        rubric: Some(RubricHistory {
            tried: 3,
            counts: vec![Series::new(text, vec![[1.0, number(0)], [2.0, 1.0]]).in_unit(text)],
            newest: vec![
                ChangedCriterion {
                    text: owned(),
                    points: -3,
                    state: owned(),
                    step: 9,
                    spread: Some(number(1)),
                    found: owned(),
                },
                ChangedCriterion {
                    text: owned(),
                    points: 2,
                    state: owned(),
                    step: 7,
                    spread: None,
                    found: owned(),
                },
            ],
        }),
        time: vec![
            TimeShare { name: owned(), seconds: number(0) },
            TimeShare { name: owned(), seconds: number(1) },
        ],
        configuration: owned(),
    }
}

#[test]
fn hostile_words_stay_words() {
    let hostile = [
        "</p><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</style><style>body{display:none}</style>",
        "<!-- <svg/onload=alert(1)> -->",
        "]]></svg></title><meta http-equiv=refresh>",
        "&lt;b&gt; &amp;amp; &#x3c;",
        "{{7*7}} ${x} \\u003cscript\\u003e",
        "\u{0}\u{1b}[31m\u{7f}\u{85}\r\n\tline",
        "\u{202e}\u{2066}\u{feff}\u{fffe} ünï 🩺",
        "javascript:alert(1) https://example.org/x.js",
    ];
    for text in hostile {
        let data = report_of(text, (1, 4), &[0.1, f64::NAN, 1e300, -2.0]);
        let page = read(&render(&data)).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!page.tags.iter().any(|tag| tag == "script" || tag == "img"));
        let want = shown(text);
        assert!(page.texts.iter().filter(|found| found.contains(&want)).count() > 20, "{text}");
        assert!(tables_are_even(&page));
    }
}

#[test]
fn the_same_data_give_the_same_page_and_nothing_is_a_page_too() {
    let data = report_of("words", (0, 3), &[0.4, 0.6]);
    assert_eq!(render(&data), render(&data));
    let empty = render(&ReportData::default());
    read(&empty).unwrap();
    assert!(empty.contains("was not evaluated") && empty.contains("No step was recorded"));
    serde_json::to_string(&data).unwrap();
}

#[test]
fn rubrics_that_changed_have_a_section_and_others_have_none() {
    let mut data = report_of("words", (0, 3), &[0.4, 0.6]);
    let html = render(&data);
    let page = read(&html).unwrap();
    assert!(tables_are_even(&page));
    assert!(html.contains("Rubrics that changed") && html.contains("The 2 of 3 criteria that changed last"));
    assert!(html.contains("\u{2212}3") && html.contains("not judged"));
    if let Some(rubric) = &mut data.rubric {
        rubric.tried = 2;
    }
    assert!(render(&data).contains("All of them, by their last change"));
    data.rubric = None;
    assert!(!render(&data).contains("Rubrics that changed"));
}

/// A consultation in the page's own order of words: highlighted pieces put together are what was said.
#[test]
fn evidence_is_highlighted_in_place() {
    let html = render(&report_of("When did the pain start?", (5, 8), &[0.5]));
    // Bytes 2 to 8 cost points and 5 to 8 earned some too.
    assert!(html.contains("Wh<mark class=\"bad\""), "{html}");
    assert!(html.contains(">en </mark><mark class=\"bad\"") && html.contains(">did</mark> the pain start?"));
}

fn held_out() -> HeldOut {
    let options = SplitOptions {
        train: 60,
        heldout_patients: 12,
        heldout_presentations: 12,
        ..SplitOptions::default()
    };
    let split = Bank::bundled().split(1, &options).unwrap();
    HeldOut::of_split(&split, Limits { turns: 10, patience: 3 }, 1).unwrap()
}

fn scripted(name: &str, held_out: &HeldOut, tier: Tier) -> Evaluated {
    let doctor = |case: &_, seed| Yardstick::Scripted(tier).doctor(case, 10, seed);
    measure(name, held_out, &Generator::bundled(10), &RuleJudge::bundled(), doctor).unwrap()
}

#[test]
fn a_real_run_reads_well() {
    let held_out = held_out();
    let (before, after) =
        (scripted("before", &held_out, Tier::Poor), scripted("after", &held_out, Tier::Good));
    let yardsticks = [Yardstick::Baseline(crate::sim::doctor::Baseline::FixedList), Yardstick::ScriptedBest];
    let others = baselines(&yardsticks, &held_out, &Generator::bundled(10), &RuleJudge::bundled()).unwrap();
    let report = |before: &Evaluated, after: &Evaluated| {
        let mut data = ReportData::new(RunFacts { name: "a run".into(), ..RunFacts::default() });
        let others = others.iter().map(|(yardstick, of)| (*yardstick, &of.evaluation));
        let bootstrap = Bootstrap { resamples: 1000, seed: 0 };
        data.compare(&before.evaluation, &after.evaluation, others, bootstrap).unwrap();
        data.samples = samples(&held_out, before, after, 3);
        data
    };
    let better = report(&before, &after);
    let html = render(&better);
    let page = read(&html).unwrap();
    assert!(tables_are_even(&page));
    assert!(html.contains("Training made the doctor better") && html.contains("ahead of every baseline (1)"));
    let gain = better.comparison.as_ref().unwrap().overall.gain;
    assert!(page.texts.contains(&super::number::signed(gain.mean)));
    // Every word of the samples is on the page.
    for side in better.samples.iter().flat_map(|sample| [&sample.before, &sample.after]) {
        for turn in &side.consultation.turns {
            assert!(page.words.contains(&turn.doctor), "{}", turn.doctor);
            assert!(turn.patient.iter().all(|reply| page.words.contains(reply.as_str())));
        }
    }
    assert!(page.tags.iter().filter(|tag| *tag == "mark").count() > 10);

    let worse = render(&report(&after, &before));
    assert!(worse.contains("made the doctor worse") && worse.contains("not clearly ahead of: fixed list"));
    assert!(render(&report(&after, &after)).contains("No clear change"));
}

#[test]
fn samples_run_from_the_greatest_gain_to_the_greatest_loss() {
    let held_out = held_out();
    let (before, after) =
        (scripted("before", &held_out, Tier::Middling), scripted("after", &held_out, Tier::Good));
    let gain = |sample: &Sample| {
        let reward = |of: &Evaluated| of.evaluation.case(&sample.case_id).unwrap().reward.unwrap();
        reward(&after) - reward(&before)
    };
    let gains: Vec<f64> = samples(&held_out, &before, &after, 24).iter().map(gain).collect();
    assert_eq!(gains.len(), 24);
    assert!(gains.windows(2).all(|pair| pair[0] >= pair[1]));
    let three: Vec<f64> = samples(&held_out, &before, &after, 3).iter().map(gain).collect();
    assert_eq!(three, [gains[0], gains[11], gains[23]]);
    assert_eq!(samples(&held_out, &before, &after, 1).iter().map(gain).collect::<Vec<_>>(), [gains[12]]);
    assert_eq!(samples(&held_out, &before, &after, 99).len(), 24);
    assert!(samples(&held_out, &before, &after, 0).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_and_no_number_breaks_a_page(
        text in "(?s).{0,24}|[<>&\"'/= a-z]{0,24}",
        from in 0usize..30,
        length in 0usize..30,
        numbers in prop::collection::vec(any::<f64>(), 0..12),
    ) {
        let html = render(&report_of(&text, (from, from + length), &numbers));
        let page = read(&html);
        prop_assert!(page.is_ok(), "{:?}", page);
        let page = page.unwrap();
        prop_assert!(tables_are_even(&page));
        // Texts that other texts are not cut out of.
        let want = shown(&text);
        prop_assert!(page.texts.contains(&want) || want.is_empty());
        // Drawings hold numbers only.
        for drawn in html.split(" d=\"").skip(1) {
            let data = drawn.split('"').next().unwrap_or_default();
            prop_assert!(data.chars().all(|c| c.is_ascii_digit() || "ML .-".contains(c)), "{}", data);
        }
    }
}
