//! How the players speak to the server: a phone with JSON and a log-in, and a browser with pages and forms. Both use
//! nothing but the public routes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

use super::forms::{self, Form};

/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Longest page that is read, bytes.
const PAGE_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// An answer: its status and its body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// The body, if the status says that it went well.
    pub fn well(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        bail!("the server answered {}: {}", self.status, self.body)
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(ANSWER_WITHIN))
        .proxy(None)
        .build()
        .new_agent()
}

/// A phone, or a computer at the clinic: JSON, logged in as one person.
pub struct Phone {
    agent: Agent,
    base: String,
    log_in: Value,
    access: String,
    refresh: String,
    /// Numbers this phone's requests, for their idempotency keys.
    sent: AtomicU32,
}

impl Phone {
    /// Logs in.
    pub fn log_in(base: &str, clinic: &str, email: &str, password: &str) -> Result<Self> {
        let log_in = json!({"clinic": clinic, "email": email, "password": password});
        let mut phone = Self {
            agent: agent(),
            base: base.to_owned(),
            log_in,
            access: String::new(),
            refresh: String::new(),
            sent: AtomicU32::new(0),
        };
        phone
            .take_tokens("/v1/login", phone.log_in.clone())
            .with_context(|| format!("{email} logs in"))?;
        Ok(phone)
    }

    fn take_tokens(&mut self, path: &str, body: Value) -> Result<()> {
        let tokens = read(self.agent.post(format!("{}{path}", self.base)).send_json(body)?)?.well()?;
        let text = |name: &str| {
            tokens[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {name}"))
        };
        (self.access, self.refresh) = (text("access_token")?, text("refresh_token")?);
        Ok(())
    }

    /// Asks for something.
    pub fn get(&mut self, path: &str) -> Result<Value> {
        let answer = self.with_fresh_token(|phone| {
            let url = format!("{}{path}", phone.base);
            read(
                phone
                    .agent
                    .get(url)
                    .header("Authorization", format!("Bearer {}", phone.access))
                    .call()?,
            )
        });
        answer
            .and_then(Answer::well)
            .with_context(|| format!("GET {path}"))
    }

    /// Does something, and takes any answer.
    pub fn try_post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = self.with_fresh_token(|phone| {
            let url = format!("{}{path}", phone.base);
            let request = phone
                .agent
                .post(url)
                .header("Authorization", format!("Bearer {}", phone.access));
            read(
                request
                    .header("Idempotency-Key", format!("demo-{path}-{number}"))
                    .send_json(body)?,
            )
        });
        answer.with_context(|| format!("POST {path}"))
    }

    /// Writes the newest version of something that was read as `version`.
    pub fn put(&mut self, path: &str, version: &Value, body: &Value) -> Result<Value> {
        let answer = self.with_fresh_token(|phone| {
            let url = format!("{}{path}", phone.base);
            let request = phone
                .agent
                .put(url)
                .header("Authorization", format!("Bearer {}", phone.access));
            read(
                request
                    .header("If-Match", format!("\"{version}\""))
                    .send_json(body)?,
            )
        });
        answer
            .and_then(Answer::well)
            .with_context(|| format!("PUT {path}"))
    }

    /// Does something that must go well.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.try_post(path, body)?
            .well()
            .with_context(|| format!("POST {path}"))
    }

    /// An access token lasts 15 minutes, which in the demo pass in seconds: once refused, it is renewed, and the same
    /// request is sent again. A refresh token that has run out too means logging in again, as on a real phone.
    fn with_fresh_token(&mut self, ask: impl Fn(&Self) -> Result<Answer>) -> Result<Answer> {
        let answer = ask(self)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let renewed = json!({"refresh_token": self.refresh});
        if self.take_tokens("/v1/login/refresh", renewed).is_err() {
            self.take_tokens("/v1/login", self.log_in.clone())?;
        }
        ask(self)
    }
}

/// Sends JSON without a log-in: what lies behind a one-time link.
pub fn post_json(base: &str, path: &str, body: &Value) -> Result<Answer> {
    read(agent().post(format!("{base}{path}")).send_json(body)?)
}

fn read(response: Response<ureq::Body>) -> Result<Answer> {
    let status = response.status().as_u16();
    let text = response
        .into_body()
        .with_config()
        .limit(PAGE_MAX_BYTES)
        .read_to_string()?;
    Ok(Answer {
        status,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
    })
}

/// A browser: pages, forms and cookies; no scripts.
pub struct Browser {
    agent: Agent,
    base: String,
    cookies: BTreeMap<String, String>,
}

/// A page as it was shown.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The HTML.
    pub html: String,
}

impl Page {
    /// Whether the page says this.
    pub fn says(&self, text: &str) -> bool {
        self.html.contains(text)
    }

    /// The first form of the page whose address has `part` in it.
    pub fn form(&self, part: &str) -> Option<Form> {
        forms::forms(&self.html)
            .into_iter()
            .find(|form| form.action.contains(part))
    }
}

impl Browser {
    /// A fresh browser.
    pub fn new(base: &str) -> Self {
        Self {
            agent: agent(),
            base: base.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// Opens a page.
    pub fn open(&mut self, path: &str) -> Result<Page> {
        let request = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Cookie", self.cookie_line());
        let response = request.call().context("the page cannot be opened")?;
        self.read(response)
    }

    /// Opens a page, fills in its form for `name` and sends it, hidden fields and all. The form must be there and must
    /// ask for what is filled in.
    pub fn send(&mut self, page_path: &str, name: &str, filled: &[(&str, &str)]) -> Result<Page> {
        let page = self.open(page_path)?;
        let form = page
            .form(&format!("/{name}"))
            .with_context(|| format!("the page shows no form for {name}"))?;
        self.submit(page_path, &form, filled)
            .with_context(|| format!("the form {name}"))
    }

    /// Sends a form of a page and shows what follows.
    pub fn submit(&mut self, page_path: &str, form: &Form, filled: &[(&str, &str)]) -> Result<Page> {
        if let Some((missing, _)) = filled.iter().find(|(name, _)| !form.asks(name)) {
            bail!("the form does not ask for {missing}");
        }
        let url = format!("{}{}", self.base, form.action);
        let request = self.agent.post(url).header("Cookie", self.cookie_line());
        let response = request
            .send_form(form.sent(filled))
            .context("the form cannot be sent")?;
        let page = self.read(response)?;
        match page.status {
            // Taken; the browser is told where to look next.
            303 => self.open(page_path),
            _ => Ok(page),
        }
    }

    /// Sends a form that must be taken.
    pub fn send_well(&mut self, page_path: &str, name: &str, filled: &[(&str, &str)]) -> Result<Page> {
        let page = self.send(page_path, name, filled)?;
        if page.status != 200 {
            bail!("the form {name} was answered with {}", page.status);
        }
        Ok(page)
    }

    fn cookie_line(&self) -> String {
        self.cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn read(&mut self, response: Response<ureq::Body>) -> Result<Page> {
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie
                .to_str()
                .ok()
                .and_then(|text| text.split(';').next()?.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies
                    .insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        let status = response.status().as_u16();
        let html = response
            .into_body()
            .with_config()
            .limit(PAGE_MAX_BYTES)
            .read_to_string()?;
        Ok(Page { status, html })
    }
}
