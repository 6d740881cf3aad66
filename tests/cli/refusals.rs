//! What cannot run, and with which exit status.

use super::*;

#[test]
fn what_cannot_run_fails_with_a_message_and_status_1() {
    let model = Model::new("qwen2_tiny");
    let missing = model.dir.path().join("nothing-here");
    let missing = missing.to_str().unwrap();
    for arguments in [
        &["score", "--model", missing, "--ids", "1"][..],
        &["generate", "--model", missing, "--ids", "1"],
        &["tokenize", "--model", missing, "--text", "x"],
        &["chat", "--model", missing],
        &["inspect", missing],
        &["export", "--model", missing, "--to", "never-written"],
        &["bench", "--model", missing],
    ] {
        let message = refused(1, arguments);
        assert!(message.contains("nothing-here"), "{arguments:?}: {message}");
    }
    let generate = |more: &[&str]| {
        let base = ["generate", "--model", model.path(), "--ids", "1,2,3"];
        refused(1, &[&base[..], more].concat())
    };
    assert!(generate(&["--max-new-tokens", "0"]).contains("max_new_tokens is 0, legal is at least 1"));
    assert!(generate(&["--samples", "0"]).contains("samples is 0, legal is at least 1"));
    assert!(generate(&["--temperature", "-1"]).contains("temperature is -1, legal is 0"));
    assert!(generate(&["--temperature", "nan"]).contains("temperature is NaN"));
    assert!(generate(&["--top-p", "0"]).contains("top_p is 0"));
    assert!(generate(&["--min-p", "-0.5"]).contains("min_p is -0.5"));
    assert!(generate(&["--repetition-penalty", "0"]).contains("repetition_penalty is 0"));
    assert!(generate(&["--memory-limit", "10KB"]).contains("raise --memory-limit"));
    assert!(generate(&["--max-new-tokens", "1000"]).contains("the model's context is 256"));
    assert!(generate(&["--max-new-tokens", "18446744073709551615"]).contains("the model's context is 256"));
    assert!(generate(&["--samples", "18446744073709551615"]).contains("samples"));
    assert!(generate(&["--batch-tokens", "18446744073709551615"]).contains("MiB"));
    let message = refused(1, &["score", "--model", model.path(), "--ids", "3,160"]);
    assert!(message.contains("token 1 is 160, the model's ids are 0 to 159"), "{message}");
    let long = list(&[1; 257]);
    assert!(refused(1, &["score", "--model", model.path(), "--ids", &long]).contains("context is 256"));
    // Nothing here is quantised, so rounding would change nothing.
    for command in [
        &["score", "--ids", "1", "--model", model.path()][..],
        &["generate", "--ids", "1", "--model", model.path()],
        &["bench", "--model", model.path()],
        &["bench"],
    ] {
        let message = refused(1, &[command, &["--activations", "q8"]].concat());
        assert!(message.contains("--activations q8 needs weights kept in quantised blocks"), "{message}");
    }
    let score = ["score", "--model", model.path(), "--ids", "1,2", "--memory-limit", "1KB"];
    assert!(refused(1, &score).contains("the limit is 1 MiB"));
}

#[test]
#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn devices_that_are_not_built_in_are_named_with_their_feature() {
    let model = Model::new("qwen2_tiny");
    for (device, feature) in [("cuda", "cuda"), ("cuda:3", "cuda"), ("wgpu", "wgpu")] {
        for command in [&["score", "--ids", "1", "--model"][..], &["inspect"], &["bench", "--model"]] {
            let message = refused(1, &[command, &[model.path(), "--device", device]].concat());
            assert!(message.contains("is not in this build"), "{message}");
            assert!(message.contains(&format!("--features {feature}")), "{message}");
        }
    }
}

#[test]
fn wrong_usage_has_status_2() {
    let model = Model::new("qwen2_tiny");
    let score = |more: &[&str]| refused(2, &[&["score", "--model", model.path()][..], more].concat());
    assert!(score(&["--ids", "1", "--colour", "red"]).contains("--colour"));
    assert!(score(&["--ids", "1,two"]).contains("`two` is not a token id"));
    assert!(score(&["--ids", ""]).contains("is not a token id"));
    assert!(score(&["--ids", "-1"]).contains("-1"));
    assert!(score(&["--ids", "99999999999"]).contains("is not a token id"));
    assert!(score(&["--ids", "1", "--device", "gpu"]).contains("legal are: cpu, wgpu, cuda, cuda:N"));
    assert!(score(&["--ids", "1", "--threads", "100000"]).contains("1024"));
    assert!(score(&["--ids", "1", "--memory-limit", "lots"]).contains("lots"));
    assert!(score(&["--ids", "1", "--text", "x"]).contains("cannot be used with"));
    assert!(score(&[]).contains("--text"));
    assert!(refused(2, &["generate", "--model", model.path()]).contains("--prompt"));
    assert!(refused(2, &["dance"]).contains("dance"));
    // Without a command there is nothing to do but show which there are.
    let bare = run(&[]);
    assert_eq!(bare.status.code(), Some(2));
    assert!(text(&bare.stderr).contains("Usage: osler <COMMAND>"));
    assert!(stdout(&["--version"]).starts_with("osler "));
}

/// `osler ... | head -0`
#[test]
fn a_closed_stdout_is_no_error() {
    let model = talking_model();
    let given = list(&[5; 200]);
    for arguments in [
        &["score", "--model", model.path(), "--ids", &given][..],
        &["score", "--model", model.path(), "--ids", &given, "--json"],
        &["generate", "--model", model.path(), "--ids", "1,2", "--max-new-tokens", "20", "--ignore-eos"],
        &["inspect", model.path(), "--tensors"],
        &["tokenize", "--model", model.path(), "--text", "hello"],
        &["--help"],
    ] {
        let mut child = osler(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}
