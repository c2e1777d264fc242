//! The changes of policies.

use std::ops::Range;
use std::sync::Arc;

use cedar_policy::{EntityId, EntityUid};
use policy_store::bundle::{Bundle, OF_FORBIDS, OF_PERMITS, Rule, Sources};

use super::{Change, Edit, MutantError, Part as Place, Step};
use crate::anatomy::lists::{List, lists};
use crate::anatomy::statement::{Kind, Part, Statement, is_simple, shown};
use crate::anatomy::taken_apart;
use crate::anatomy::tokens::Kind as TokenKind;

/// Returns the policy `rule` in its file.
pub(super) fn part<'a>(sources: &'a Sources, rule: &'a Rule) -> Result<Place<'a>, MutantError> {
    let file = sources.policies.iter().find(|file| file.name == rule.file);
    let end = rule.offset + rule.text.len();
    let text = file.and_then(|file| {
        let rest = file.text.get(end..)?;
        let end = if rest.starts_with('\n') { end + 1 } else { end };
        file.text.get(rule.offset..end)
    });
    let (Some(file), Some(text)) = (file, text) else {
        return Err(MutantError::NoFile { policy: Arc::clone(&rule.id) });
    };
    Ok(Place { file, name: &rule.id, line: rule.line, offset: rule.offset, text })
}

/// Returns all changes of the policy `rule`, whose lines are `text`.
pub(super) fn steps(bundle: &Bundle, rule: &Rule, text: &str) -> Result<Vec<Step>, MutantError> {
    let statement = taken_apart(rule)?;
    let mut maker = Maker { bundle, statement: &statement, found: Vec::new() };
    let gone = vec![Edit::new(0..text.len(), "")];
    maker.add(Change::PolicyDropped, "dropped".to_owned(), gone);
    maker.effect(rule.forbids);
    maker.actions();
    for (index, condition) in statement.conditions.iter().enumerate() {
        let body = &condition.body;
        if matches!(body.kind, Kind::And | Kind::Or | Kind::If) {
            let (old, new) = if condition.unless { ("unless", "when") } else { ("when", "unless") };
            let what = format!("condition {} turned from `{old}` into `{new}`", index + 1);
            maker.add(Change::ConditionFlipped, what, vec![Edit::new(condition.word.clone(), new)]);
        }
        maker.part(body, None);
    }
    Ok(maker.found)
}

struct Maker<'a> {
    bundle: &'a Bundle,
    statement: &'a Statement<'a>,
    found: Vec<Step>,
}

impl Maker<'_> {
    fn add(&mut self, kind: Change, what: String, edits: Vec<Edit>) {
        self.found.push(Step { kind, what, edits });
    }

    fn source(&self, span: &Range<usize>) -> String {
        shown(self.statement.source(span).unwrap_or_default())
    }

    fn effect(&mut self, forbids: bool) {
        let forbid = "@layer(\"role\")\n@reason(\"mutant\")\n@message(\"mutant\")\nforbid";
        let (what, effect, lost): (_, _, &[&str]) = if forbids {
            ("made a permit", "permit", &OF_FORBIDS)
        } else {
            ("made a forbid", forbid, &OF_PERMITS)
        };
        let mut edits = vec![Edit::new(self.statement.effect.clone(), effect)];
        for (name, span) in &self.statement.annotations {
            if lost.contains(name) {
                // The line break is removed too, if the annotation is the last on its line.
                let next = self.statement.source(&(span.end..span.end + 1));
                let end = span.end + usize::from(next == Some("\n"));
                edits.push(Edit::new(span.start..end, ""));
            }
        }
        self.add(Change::EffectSwapped, what.to_owned(), edits);
    }

    /// Removes each of the actions that the scope lists.
    fn actions(&mut self) {
        for list in lists(&self.statement.tokens, &self.statement.scope) {
            for (index, element) in list.elements.iter().enumerate() {
                let text = self.statement.tokens.source(element).unwrap_or_default();
                let uid: Option<EntityUid> = text.parse().ok();
                let name = uid.map_or_else(|| shown(text), |uid| uid.id().unescaped().to_owned());
                if let Some(edit) = self.without(&list, index) {
                    self.add(Change::ActionDropped, format!("action {name} dropped"), vec![edit]);
                }
            }
        }
    }

    /// Changes a part of a condition; `negation` is the range of the `!` before it, if there is one.
    fn part(&mut self, part: &Part, negation: Option<Range<usize>>) {
        if part.kind == Kind::Leaf {
            self.leaf(part, negation);
        }
        if matches!(part.kind, Kind::And | Kind::Or) {
            self.operands(part);
        }
        for inner in &part.parts {
            let negation = (part.kind == Kind::Not).then_some(part.span.start..inner.outer.start);
            self.part(inner, negation);
        }
    }

    fn operands(&mut self, part: &Part) {
        for (index, operand) in part.parts.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| part.parts.get(before));
            let range = match (before, part.parts.get(index + 1)) {
                (Some(before), _) => before.outer.end..operand.outer.end,
                (None, Some(after)) => operand.outer.start..after.outer.start,
                (None, None) => continue,
            };
            let what = format!("operand `{}` dropped", self.source(&operand.span));
            self.add(Change::OperandDropped, what, vec![Edit::new(range, "")]);
        }
    }

    fn leaf(&mut self, leaf: &Part, negation: Option<Range<usize>>) {
        let what = format!("`{}` negated", self.source(&leaf.span));
        let (start, end) = (leaf.span.start, leaf.span.end);
        let tokens = &self.statement.tokens;
        let bare = leaf.outer == leaf.span && !is_simple(tokens, &leaf.tokens);
        let edits = match negation {
            Some(sign) => vec![Edit::new(sign, "")],
            None if bare => vec![Edit::new(start..start, "!("), Edit::new(end..end, ")")],
            None => vec![Edit::new(leaf.outer.start..leaf.outer.start, "!")],
        };
        self.add(Change::ConditionNegated, what, edits);
        for list in lists(tokens, &leaf.tokens) {
            let names = list.names(tokens, &self.bundle.types().role);
            match names.filter(|_| list.question(tokens, &leaf.tokens).is_some()) {
                Some(names) => self.roles(&list, &names),
                None => self.elements(&list),
            }
        }
        self.paths(leaf);
    }

    fn roles(&mut self, list: &List, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            if let Some(edit) = self.without(list, index) {
                self.add(Change::RoleDropped, format!("role {name} dropped"), vec![edit]);
            }
        }
        let bundle = self.bundle;
        let final_one = list.elements.last().and_then(|it| self.statement.tokens.span(it));
        let Some(end) = final_one.map(|span| span.end) else { return };
        for name in
            bundle.vocabulary().roles().filter(|it| !names.iter().any(|name| **name == ***it))
        {
            let role = bundle.types().role.clone();
            let uid = EntityUid::from_type_name_and_id(role, EntityId::new(name));
            let edit = Edit::new(end..end, format!(", {uid}"));
            self.add(Change::RoleAdded, format!("role {name} added"), vec![edit]);
        }
    }

    fn elements(&mut self, list: &List) {
        for (index, element) in list.elements.iter().enumerate() {
            let text = shown(self.statement.tokens.source(element).unwrap_or_default());
            if let Some(edit) = self.without(list, index) {
                self.add(Change::ElementDropped, format!("element {text} dropped"), vec![edit]);
            }
        }
    }

    /// Returns the edit that removes the element number `index` from a list, with the comma that is then
    /// superfluous.
    fn without(&self, list: &List, index: usize) -> Option<Edit> {
        let span = |index: usize| self.statement.tokens.span(list.elements.get(index)?);
        let own = span(index)?;
        let before = index.checked_sub(1).and_then(span);
        let range = match (span(index + 1), before) {
            (Some(after), _) => own.start..after.start,
            (None, Some(before)) => before.end..own.end,
            (None, None) => list.span.start + 1..list.span.end - 1,
        };
        Some(Edit::new(range, ""))
    }

    /// Widens the paths that a leaf compares with `==` or `like`.
    fn paths(&mut self, leaf: &Part) {
        let tokens = &self.statement.tokens;
        for index in leaf.tokens.clone().skip(1) {
            let (Some(sign), Some(token)) = (tokens.get(index - 1), tokens.get(index)) else {
                continue;
            };
            let path = token.text.trim_matches('"');
            if token.kind != TokenKind::Text || !path.starts_with('/') {
                continue;
            }
            let wider = match sign.text {
                "like" => wider(path),
                // An asterisk in the path must not become a wildcard of the pattern.
                "==" => vec![format!("{}*", path.replace('*', "\\*"))],
                _ => Vec::new(),
            };
            for new in wider {
                let what = format!("path {path} widened to {new}");
                let edit = Edit::new(sign.at..token.end(), format!("like \"{new}\""));
                self.add(Change::PathWidened, what, vec![edit]);
            }
        }
    }
}

/// Returns patterns that match everything that `pattern` does, and more: paths that continue its last segment,
/// and the paths beside it.
fn wider(pattern: &str) -> Vec<String> {
    let base = pattern.strip_suffix('*').unwrap_or(pattern);
    let base = base.strip_suffix('/').unwrap_or(base);
    let beside = base.rsplit_once('/').map(|(parent, _)| format!("{parent}/*"));
    let mut found = vec![format!("{base}*")];
    found.extend(beside);
    found.retain(|it| it != pattern);
    found
}
