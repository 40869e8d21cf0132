//! Another configuration for a gateway that serves (decision 015).
//!
//! Everything that can be wrong with it is found first: it is checked as `sprag check` does, its
//! secrets, certificates and rules are read and prepared, keys that need a restart are compared. Then
//! the node decides whether its names may follow. Only then anything changes: the node, with the
//! endpoints of attempts, in one step; right behind it the rules of requests and what operators see.
//! A request or attempt that has begun is seen to its end by what it began with.

use sprag_core::id::{Revision, SourceId};
use sprag_driver::effect::{Configured, Notice, ReloadRefused};

use crate::admin::{InForce, LastReload};
use crate::config::{self, Finding, SecretReference, Severity};
use crate::plan;
use crate::serve::{Running, StartError, Starting};
use crate::source_changed;

/// What becomes of a reload, as operators read it: accepted, or refused.
pub const OUTCOMES: [&str; 2] = ["accepted", "refused"];

/// A configuration that took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Which it is.
    pub revision: Revision,
    /// What it changed, by key.
    pub changes: Vec<String>,
    /// What is doubtful about it.
    pub warnings: Vec<Finding>,
}

impl Running {
    /// Puts another configuration in force. `file` is only named in findings.
    ///
    /// # Errors
    /// Everything that stands in the way; then nothing has changed.
    pub async fn reload(&mut self, text: &str, file: &str) -> Result<Reloaded, Vec<Finding>> {
        let outcome = self.try_reload(text, file).await;
        match outcome {
            Ok(reloaded) => {
                self.note_reload(Vec::new(), reloaded.changes.clone());
                Ok(reloaded)
            }
            Err(findings) => Err(self.refuse_reload(findings)),
        }
    }

    /// A reload is refused for what was found; operators see that.
    pub fn refuse_reload(&self, findings: Vec<Finding>) -> Vec<Finding> {
        self.note_reload(findings.iter().map(ToString::to_string).collect(), Vec::new());
        findings
    }

    fn note_reload(&self, findings: Vec<String>, changes: Vec<String>) {
        let accepted = findings.is_empty();
        let state = self.admin_api.state();
        let at = self.starting.clock.now().clock;
        let reload = Some(LastReload { at, findings, changes });
        state.replace(InForce { reload, ..state.in_force() });
        self.starting.metrics.reloaded(accepted);
    }

    async fn try_reload(&mut self, text: &str, file: &str) -> Result<Reloaded, Vec<Finding>> {
        let finding = |key: &str, reason: String| {
            let line = config::line_of(text, key);
            let (file, key) = (file.to_owned(), key.to_owned());
            Finding { severity: Severity::Error, file, line, key, reason }
        };
        let checked = config::check(text, file, &SecretReference::from_machine)?;
        let was = &self.starting.config;
        let fixed = config::needs_restart(was, &checked.config);
        if !fixed.is_empty() {
            let reason = "cannot change while it runs: restart, or take the change back";
            return Err(fixed.into_iter().map(|key| finding(key, reason.to_owned())).collect());
        }
        let changes = config::changes(was, &checked.config);
        let next = Starting {
            config: checked.config,
            clock: self.starting.clock,
            metrics: self.starting.metrics.clone(),
            descriptors: self.starting.descriptors.clone(),
            disk: self.starting.disk.clone(),
        };
        let unusable = |error: StartError| vec![finding(key_of(&error), error.to_string())];
        let outgoing = next.outgoing(&self.outgoing.endpoints, Some(was)).map_err(unusable)?;
        next.sources(&unnumbered(&next)).map_err(unusable)?;
        self.next.set(Some(outgoing.clone()));
        // Which restore the log comes from, the node knows.
        self.node.reload(plan::plan(&next.config, None));
        let configured = match self.heard_of_reload().await {
            Ok(configured) => configured,
            Err(refused) => {
                self.next.set(None);
                return Err(vec![refused.map_or_else(
                    || finding("", "the node has ended".to_owned()),
                    |refused| finding(&key_of_refusal(&refused), told(&refused)),
                )]);
            }
        };
        let sources = next.sources(&configured).map_err(unusable)?;
        self.outgoing = outgoing;
        let before = self.ingress.current();
        let node = (&self.node, before.out.reading().clone());
        let mut ingress = next.ingress(node, &configured, sources, before.disk.clone());
        ingress.out = ingress.out.after(&before.out);
        self.ingress.replace(ingress);
        let state = self.admin_api.state();
        let token = next.config.admin_token.clone().unwrap_or(state.in_force().token);
        state.replace(next.in_force(&configured, token));
        next.metrics.in_force(configured.revision.0);
        self.starting = next;
        let revision = configured.revision;
        Ok(Reloaded { revision, changes, warnings: checked.warnings })
    }

    /// What became of the reload that the node was told of; nothing where it has ended.
    async fn heard_of_reload(&mut self) -> Result<Configured, Option<ReloadRefused>> {
        loop {
            match self.heard.recv().await {
                Some(Notice::Reloaded(configured)) => return Ok(configured),
                Some(Notice::ReloadRefused(refused)) => return Err(Some(refused)),
                Some(_) => {}
                None => return Err(None),
            }
        }
    }
}

/// The sources before history has numbers for all of them: whether they can be used needs none.
fn unnumbered(next: &Starting) -> Configured {
    let names = next.config.sources.keys().map(|name| name.as_str().into());
    Configured {
        revision: Revision(0),
        sources: (1..).map(SourceId).zip(names).collect(),
        destinations: std::collections::BTreeMap::new(),
    }
}

/// Where it stands that something cannot be used.
fn key_of(error: &StartError) -> &str {
    match error {
        StartError::Source(..) | StartError::Refill(..) | StartError::Reconcile(..) => "sources",
        StartError::Destination(..) => "destinations",
        _ => "",
    }
}

fn told(refused: &ReloadRefused) -> String {
    match refused {
        ReloadRefused::SourceChanged(changed) => source_changed::told(changed),
        other => other.to_string(),
    }
}

fn key_of_refusal(refused: &ReloadRefused) -> String {
    match refused {
        ReloadRefused::SourceChanged(changed) => format!("sources.{}", changed.name),
        ReloadRefused::RemovedTooEarly(removed) => format!("destinations.{}", removed.name),
        ReloadRefused::NotNow | ReloadRefused::Busy => String::new(),
    }
}
