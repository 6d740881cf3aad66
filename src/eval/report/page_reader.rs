//! A small strict reader of report pages, for tests.

/// Every element a report may have. None of them runs or loads anything.
const TAGS: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "section",
    "article",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "dl",
    "dt",
    "dd",
    "b",
    "i",
    "span",
    "strong",
    "mark",
    "ul",
    "li",
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "pre",
    "svg",
    "line",
    "path",
    "rect",
    "circle",
    "text",
];
/// Every attribute; none holds an address or a script.
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "class",
    "title",
    "scope",
    "viewBox",
    "role",
    "aria-label",
    "aria-hidden",
    "preserveAspectRatio",
    "text-anchor",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "d",
    "width",
    "height",
];
/// Elements without an end.
const VOID: &[&str] = &["meta"];

/// What a page holds.
#[derive(Debug, Default)]
pub struct Page {
    /// Its elements in order.
    pub tags: Vec<String>,
    /// Texts and attribute values, with their references resolved.
    pub texts: Vec<String>,
    /// The texts alone, in order.
    pub words: String,
    /// Cells of each table row.
    rows: Vec<(usize, usize)>,
}

/// Reads a page; every tag has to be a known one, closed in order, with quoted known attributes.
pub fn read(html: &str) -> Result<Page, String> {
    let mut page = Page::default();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let mut table = 0;
    while let Some(at) = rest.find('<') {
        let text = rest.get(..at).ok_or("text")?;
        // Style sheets hold no references and end at their end tag.
        if open.last().is_some_and(|tag| tag == "style") {
            if text.contains("url(") || text.contains("@import") {
                return Err("the style sheet loads something".into());
            }
        } else {
            page.words.push_str(&decoded(text)?);
            page.texts.push(decoded(text)?);
        }
        rest = rest.get(at + 1..).ok_or("tag")?;
        if let Some(after) = rest.strip_prefix('/') {
            let end = after.find('>').ok_or("an end tag does not end")?;
            let name = &after[..end];
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes nothing that is open"));
            }
            rest = &after[end + 1..];
            continue;
        }
        let end = rest.find([' ', '>']).ok_or("a tag does not end")?;
        let name = &rest[..end];
        if !TAGS.contains(&name) {
            return Err(format!("<{name}> is not among the elements of a report"));
        }
        match name {
            "table" => table += 1,
            "tr" => page.rows.push((table, 0)),
            "th" | "td" => page.rows.last_mut().ok_or("a cell without a row")?.1 += 1,
            _ => {}
        }
        page.tags.push(name.to_owned());
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        rest = &rest[end..];
        while let Some(after) = rest.strip_prefix(' ') {
            let (attribute, value) = after.split_once("=\"").ok_or("an attribute has no quoted value")?;
            if !ATTRIBUTES.contains(&attribute) {
                return Err(format!("{attribute} is not among the attributes of a report"));
            }
            let end = value.find('"').ok_or("a quotation does not end")?;
            page.texts.push(decoded(&value[..end])?);
            rest = &value[end + 1..];
        }
        rest = rest.strip_prefix('>').ok_or_else(|| format!("<{name} does not end after its attributes"))?;
    }
    if open.is_empty() && rest.trim().is_empty() { Ok(page) } else { Err(format!("{open:?} left open")) }
}

fn decoded(text: &str) -> Result<String, String> {
    if text.contains(['>', '"', '\'']) {
        return Err(format!("unescaped text: {text}"));
    }
    let known = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    for part in text.split('&').skip(1) {
        if !known.iter().any(|(reference, _)| part.starts_with(&reference[1..])) {
            return Err(format!("a bare ampersand: {text}"));
        }
    }
    Ok(known.iter().fold(text.to_owned(), |text, (reference, plain)| text.replace(reference, plain)))
}

/// Text as a page shows it.
pub fn shown(text: &str) -> String {
    let kept = text.chars().filter(|c| *c != '\r');
    kept.map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Rows of one table have as many cells.
pub fn tables_are_even(page: &Page) -> bool {
    let uneven = |pair: &[(usize, usize)]| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1;
    !page.rows.windows(2).any(uneven)
}
