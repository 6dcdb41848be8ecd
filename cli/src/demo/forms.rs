//! Reads the forms of our own pages, so that a player fills in what the page asks and nothing else.
//!
//! Not a parser of HTML at large: it knows the tags that our templates write.

/// A form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it is sent.
    pub action: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The value it has, or of this choice.
    pub value: String,
    /// `hidden`, `radio`, `checkbox`, `text`, `submit`, `select`, `textarea`, …
    pub kind: String,
}

impl Form {
    /// What is sent when somebody fills in `filled`: hidden fields go along.
    pub fn sent(&self, filled: &[(&str, &str)]) -> Vec<(String, String)> {
        let hidden = self.fields.iter().filter(|field| field.kind == "hidden");
        let hidden = hidden.map(|field| (field.name.clone(), field.value.clone()));
        hidden
            .chain(
                filled
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            )
            .collect()
    }

    /// Whether it has a field of this name.
    pub fn asks(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// The questions of a check-in that are still to be chosen, by field name.
    pub fn open_questions(&self) -> Vec<String> {
        let open = self
            .fields
            .iter()
            .filter(|field| field.kind == "radio" && field.name.starts_with("answers."));
        let mut names: Vec<String> = open.map(|field| field.name.clone()).collect();
        names.dedup();
        names
    }
}

/// Every form of a page, in order.
pub fn forms(html: &str) -> Vec<Form> {
    html.split("<form")
        .skip(1)
        .filter_map(|rest| {
            let (tag, body) = rest.split_once('>')?;
            let body = body.split("</form>").next()?;
            Some(Form {
                action: attribute(tag, "action")?,
                fields: fields(body),
            })
        })
        .collect()
}

fn fields(body: &str) -> Vec<Field> {
    let tags = body.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter_map(|tag| {
        let element = tag.split_whitespace().next()?;
        let kind = match element {
            "input" => attribute(tag, "type").unwrap_or_else(|| "text".to_owned()),
            "button" => "submit".to_owned(),
            "select" | "textarea" => element.to_owned(),
            _ => return None,
        };
        let value = attribute(tag, "value").unwrap_or_default();
        Some(Field {
            name: attribute(tag, "name")?,
            value,
            kind,
        })
    })
    .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    Some(
        value
            .replace("&amp;", "&")
            .replace("&#39;", "'")
            .replace("&#38;", "&")
            .replace("&quot;", "\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_gives_its_forms_with_what_they_ask() {
        let html = r#"<p>x</p><form method="post" action="/s/t/check-ins/7">
            <input type="hidden" name="answers.a" value="yes"><button>All well</button></form>
            <form action="/s/t/check-ins/7" method="post"><fieldset>
            <label><input type="radio" name="answers.b" value="yes" required> <span>Yes</span></label>
            <label><input type="radio" name="answers.b" value="no" required> <span>No</span></label></fieldset>
            <input type="text" id="x" name="vitals.sbp" value="" inputmode="numeric">
            <textarea name="note"></textarea><button name="value" value="yes">Yes</button></form>"#;
        let forms = forms(html);
        assert_eq!(forms.len(), 2);
        assert_eq!(
            forms[0].sent(&[("c", "d")]),
            [("answers.a".into(), "yes".into()), ("c".into(), "d".into())]
        );
        assert_eq!(forms[1].open_questions(), ["answers.b"]);
        assert!(forms[1].asks("vitals.sbp") && forms[1].asks("note") && forms[1].asks("value"));
        assert!(!forms[0].asks("note"));
    }
}
