//! `osler rubric grade` by a model of this process.

use super::*;

#[test]
fn a_model_of_this_process_tells_what_it_read_and_what_it_had_read_before() {
    let model = talking_model();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let row = json!({"prompt_id": "knee", "prompt": [{"role": "user", "content": "My knee hurts."}],
        "rubrics": [{"criterion": "Rest.", "points": 6, "tags": []}, {"criterion": "Rude.", "points": -5, "tags": []}],
        "example_tags": ["theme:hedging"],
        "ideal_completions_data": {"ideal_completion": "Rest it.", "ideal_completions_group": "Group 1"}});
    let rows = write("rows.jsonl", &format!("{row}\n"));
    let grader = write("grader.txt", "<<conversation>>\n<<rubric_item>>");
    let models =
        write("models.toml", &format!("[models.m]\npath = {:?}\n[roles]\njudge = \"m\"\n", model.path()));
    let graded = |out: &str| {
        let out = dir.path().join(out).to_str().unwrap().to_owned();
        let fixed = ["--ideal", "written", "--grader", &grader, "--again", "0", "--max-tokens", "4"];
        let named = ["rubric", "grade", &rows, "--models", &models, "--out", &out];
        [&named[..], &fixed].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = graded("a.jsonl");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--json"]).collect();
    let report = json_of(&arguments, "");
    // Made-up weights say nothing that can be read, and so nothing is judged.
    assert_eq!((&report["summary"]["judged"], &report["work"]["failed"]), (&json!(0), &json!(0)));
    let time = &report["time"];
    let count = |name: &str| time[name].as_u64().unwrap();
    let [prompt, cached, computed] = ["prompt_tokens", "cached_tokens", "computed_tokens"].map(count);
    // Two questions of one conversation: all of the first, and of the second what is its own and the block in which it begins.
    assert_eq!((report["work"]["requests"].as_u64(), prompt), (Some(2), cached + computed));
    assert!(cached > 0 && cached.is_multiple_of(16), "{time}");
    let number = |name: &str| time[name].as_f64().unwrap();
    let (rate, saved) = (number("prefill_tokens_per_second"), number("saved_seconds_estimate"));
    assert!(rate > 0.0 && number("judge_seconds") > 0.0, "{time}");
    assert!((saved - cached as f64 / rate).abs() <= 1e-9 * saved, "{time}");
    assert_eq!(report["cached_ratio"].as_f64(), Some(cached as f64 / prompt as f64));
    // The plain kernels read as much, and are for models of this process only.
    let arguments =
        [graded("plain.jsonl"), ["--kernels", "reference", "--json"].map(str::to_owned).to_vec()].concat();
    let plain = json_of(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "");
    assert_eq!(plain["time"]["prompt_tokens"].as_u64(), Some(prompt));
    let without =
        ["rubric", "grade", &rows, "--ideal", "written", "--out", "no.jsonl", "--kernels", "reference"];
    assert!(refused(2, &without).contains("--models"));
    let arguments = graded("b.jsonl");
    let shown = stdout(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(shown.contains(&format!("of {prompt} prompt tokens {cached} (")), "{shown}");
    assert!(shown.contains("(an estimate, by the "), "{shown}");
}
