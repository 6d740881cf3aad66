//! Models that are written, and weights that cannot be used.

use super::*;

/// The names in a folder.
fn listing(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_exported_folder_gives_the_same_numbers() {
    let model = talking_model();
    let scratch = tempfile::tempdir().unwrap();
    let target: PathBuf = scratch.path().join("exported");
    let to = target.to_str().unwrap();
    let export = ["export", "--model", model.path(), "--to", to, "--max-shard-size", "200KB", "--json"];
    let report = json_of(&export, "");
    assert_eq!(keys(&report), ["folder", "files", "bytes", "parameters"]);
    assert_eq!(report["folder"], to);
    let files: Vec<String> = serde_json::from_value(report["files"].clone()).unwrap();
    assert_eq!(files, listing(&target));
    for name in ["config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json"] {
        assert!(files.iter().any(|file| file == name), "{files:?} lacks {name}");
    }
    assert!(files.iter().filter(|file| file.ends_with(".safetensors")).count() > 1, "{files:?}");
    let bytes: u64 = files.iter().map(|name| fs::metadata(target.join(name)).unwrap().len()).sum();
    assert_eq!(report["bytes"], bytes);
    assert_eq!(listing(scratch.path()), ["exported"], "something was left beside the target");

    let score = |model: &str| stdout(&["score", "--model", model, "--text", "dry cough", "--json"]);
    assert_eq!(score(model.path()), score(to));
    let same =
        |name: &str| fs::read(target.join(name)).unwrap() == fs::read(model.dir.path().join(name)).unwrap();
    assert!(same("config.json") && same("tokenizer.json") && same("tokenizer_config.json"));

    let message = refused(1, &export);
    assert!(message.contains(to), "{message}");
    let half = json_of(&[&export[..], &["--overwrite", "--dtype", "bf16"]].concat(), "");
    assert!(half["bytes"].as_u64() < report["bytes"].as_u64());
    let inspected = json_of(&["inspect", to, "--json"], "");
    assert_eq!(keys(&inspected["stored"]), ["BF16"]);
    assert_eq!(listing(scratch.path()), ["exported"]);
}

#[cfg(unix)]
#[test]
fn an_export_fills_a_link_cleans_up_and_spares_its_source() {
    let model = talking_model();
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    fs::create_dir(path("disk")).unwrap();
    std::os::unix::fs::symlink(path("disk"), path("link")).unwrap();
    // Of an export that was killed: no process has the largest number there can be.
    let abandoned = path(&format!(".disk.partial-0-{}", u32::MAX));
    fs::create_dir(&abandoned).unwrap();
    let link = path("link");
    stdout(&["export", "--model", model.path(), "--to", link.to_str().unwrap()]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(path("disk").join("config.json").exists());
    assert_eq!(listing(scratch.path()), ["disk", "link"]);

    let outer = path("disk");
    let inner = outer.join("inner");
    fs::rename(model.dir.path(), &inner).unwrap();
    let (outer, inner_path) = (outer.to_str().unwrap(), inner.to_str().unwrap());
    let message = refused(1, &["export", "--model", inner_path, "--to", outer, "--overwrite"]);
    assert!(message.contains("holds the model"), "{message}");
    assert!(inner.join("config.json").exists());
    // So that its owner finds it.
    fs::rename(&inner, model.dir.path()).unwrap();
}

#[test]
fn weights_that_are_no_numbers_are_an_error() {
    let model = Model::new("llama_tiny");
    let file = model.dir.path().join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let model = ["--model", model.path(), "--ids", "1,5,9", "--json"];
    let message = refused(1, &[&["score"], &model[..]].concat());
    assert!(message.contains("token 1 is NaN"), "{message}");
    let message = refused(1, &[&["generate", "--max-new-tokens", "3"], &model[..]].concat());
    assert!(message.contains("is NaN"), "{message}");
    let message = refused(1, &[&["generate", "--repetition-penalty", "1e-38"], &model[..]].concat());
    assert!(message.contains("0.001 to 1000"), "{message}");
}
