//! The walk over a policy's syntax tree.
//!
//! This names every variant of an expression and every operator. Cedar's enums may grow: a policy with a
//! variant that is not named here counts as reading everything.

use cedar_policy::pst::{
    ActionConstraint, BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, PatternElem,
    PrincipalConstraint, ResourceConstraint, Template, UnaryOp, Var,
};

use super::{Path, Read, Reads, Root, Term};
use crate::bundle::shape::Shape;

/// Returns what a policy reads.
pub(super) fn visit(policy: &Template) -> Reads {
    let mut visitor = Visitor::default();
    visitor.scope(policy);
    for clause in policy.clauses() {
        match clause {
            Clause::When(condition) | Clause::Unless(condition) => visitor.condition(condition),
        }
    }
    visitor.reads
}

#[derive(Default)]
struct Visitor {
    reads: Reads,
    /// The part of the condition that the visitor is walking over.
    term: Term,
}

impl Visitor {
    fn scope(&mut self, policy: &Template) {
        match &policy.principal {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
            PrincipalConstraint::Eq(it) => self.constraint(Root::Principal, it, false),
            PrincipalConstraint::In(it) | PrincipalConstraint::IsIn(_, it) => {
                self.constraint(Root::Principal, it, true);
            }
        }
        match &policy.action {
            ActionConstraint::Any => {}
            ActionConstraint::Eq(uid) => self.entity(uid),
            ActionConstraint::In(uids) => uids.iter().for_each(|uid| self.entity(uid)),
        }
        match &policy.resource {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
            ResourceConstraint::Eq(it) => self.constraint(Root::Resource, it, false),
            ResourceConstraint::In(it) | ResourceConstraint::IsIn(_, it) => {
                self.constraint(Root::Resource, it, true);
            }
        }
    }

    /// `principal == X`, `principal in X`, `principal is T in X`.
    fn constraint(&mut self, root: Root, within: &EntityOrSlot, member: bool) {
        let EntityOrSlot::Entity(uid) = within else { return self.unknown() };
        self.entity(uid);
        let of = Path::of(root);
        if member {
            let right = vec![Path::of(written(uid))];
            self.reads.found.insert(Read::Membership(of.clone(), right));
        }
        self.reads.taken.insert(of);
    }

    /// Visits a condition, or a part of one that is true or false by itself.
    fn condition(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
                self.condition(left);
                self.condition(right);
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.condition(expr),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for branch in [cond, then_expr, else_expr] {
                    self.condition(branch);
                }
            }
            _ => {
                self.value(expr);
                let term = std::mem::take(&mut self.term);
                let literals = !term.texts.is_empty() || !term.numbers.is_empty();
                if literals {
                    self.reads.terms.insert(term);
                }
            }
        }
    }

    /// Visits an expression whose value is used.
    fn value(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Var(var) => {
                self.term.any |= *var == Var::Context;
                self.reads.taken.insert(Path::of(variable(var)));
            }
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right),
            Expr::GetAttr { expr: holder, attr } => {
                self.reads.taken.extend(paths(expr));
                self.attributes(holder, &[attr]);
            }
            Expr::HasAttr { expr, attrs } => {
                let names: Vec<&str> = attrs.iter().map(|it| &**it).collect();
                self.attributes(expr, &names);
            }
            Expr::Like { expr, pattern } => self.like(expr, pattern),
            Expr::Is { expr, entity_type, in_expr } => {
                let kind = entity_type.to_string();
                let of = paths(expr).into_iter();
                self.reads.found.extend(of.map(|of| Read::Kind(of, kind.as_str().into())));
                match in_expr {
                    Some(right) => self.membership(expr, right),
                    // The type of a variable says nothing about the id of its entity.
                    None if matches!(**expr, Expr::Var(_)) => {}
                    None => self.value(expr),
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                for branch in [cond, then_expr, else_expr] {
                    self.value(branch);
                }
            }
            Expr::Set(elements) => elements.iter().for_each(|it| self.value(it)),
            Expr::Record(members) => members.values().for_each(|it| self.value(it)),
            // A slot, an unknown, or an expression of a later version of Cedar. Policies without slots contain
            // neither of the first two. Each may stand for anything.
            _ => self.unknown(),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Bool(_) => {}
            Literal::Long(number) => drop(self.term.numbers.insert(*number)),
            Literal::String(text) => drop(self.term.texts.insert(text.as_str().into())),
            Literal::EntityUID(uid) => self.entity(uid),
            _ => self.unknown(),
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) {
        match op {
            UnaryOp::Neg => {
                if let Expr::Literal(Literal::Long(number)) = operand {
                    self.term.numbers.extend(number.checked_neg());
                }
            }
            UnaryOp::Not
            | UnaryOp::IsEmpty
            | UnaryOp::Datetime
            | UnaryOp::Decimal
            | UnaryOp::Duration
            | UnaryOp::Ip
            | UnaryOp::IsIPv4
            | UnaryOp::IsIPV6
            | UnaryOp::IsLoopback
            | UnaryOp::IsMulticast
            | UnaryOp::ToDate
            | UnaryOp::ToTime
            | UnaryOp::ToMilliseconds
            | UnaryOp::ToSeconds
            | UnaryOp::ToMinutes
            | UnaryOp::ToHours
            | UnaryOp::ToDays => {}
            _ => self.unknown(),
        }
        self.value(operand);
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) {
        match op {
            BinaryOp::Eq | BinaryOp::NotEq => return self.compared(left, right),
            BinaryOp::In => return self.membership(left, right),
            BinaryOp::GetTag | BinaryOp::HasTag => {
                let of = paths(left);
                self.reads.unclear |= of.is_empty();
                self.reads.found.extend(of.into_iter().map(Read::Tags));
            }
            BinaryOp::And
            | BinaryOp::Or
            | BinaryOp::Less
            | BinaryOp::LessEq
            | BinaryOp::Greater
            | BinaryOp::GreaterEq
            | BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Contains
            | BinaryOp::ContainsAll
            | BinaryOp::ContainsAny
            | BinaryOp::IsInRange
            | BinaryOp::Offset
            | BinaryOp::DurationSince
            | BinaryOp::DecimalLessThan
            | BinaryOp::DecimalLessEq
            | BinaryOp::DecimalGreater
            | BinaryOp::DecimalGreaterEq => {}
            _ => self.unknown(),
        }
        self.value(left);
        self.value(right);
    }

    /// Visits `left == right` or `left != right`. If `context.path` is compared with a literal, the policy sees
    /// only whether the two are equal.
    fn compared(&mut self, left: &Expr, right: &Expr) {
        match (left, right) {
            (path, Expr::Literal(Literal::String(text)))
            | (Expr::Literal(Literal::String(text)), path)
                if is_path(path) =>
            {
                self.shape(Shape::exactly(text), text);
            }
            _ => {
                self.value(left);
                self.value(right);
            }
        }
    }

    /// `expr like "…"`
    fn like(&mut self, expr: &Expr, pattern: &[PatternElem]) {
        let shape = Shape::like(pattern);
        let sample: String = pattern
            .iter()
            .map(|it| match it {
                PatternElem::Char(it) => *it,
                PatternElem::Wildcard => '*',
            })
            .collect();
        if is_path(expr) {
            self.shape(shape, &sample);
        } else {
            self.value(expr);
            self.term.texts.insert(sample.into());
        }
    }

    /// Adds a comparison of `context.path` with a form; `text` is a string of that form.
    fn shape(&mut self, shape: Shape, text: &str) {
        self.attribute(Path::of(Root::Context), PATH);
        self.term.texts.insert(text.into());
        self.reads.shapes.insert(shape);
    }

    fn membership(&mut self, left: &Expr, right: &Expr) {
        let within = paths(right);
        if !within.is_empty() {
            let left = paths(left).into_iter();
            self.reads.found.extend(left.map(|left| Read::Membership(left, within.clone())));
        }
        self.value(left);
        self.value(right);
    }

    /// Visits `holder.name`, or `holder has a.b`, which asks for one name after the other.
    fn attributes(&mut self, holder: &Expr, names: &[&str]) {
        let holders = paths(holder);
        let known = !holders.is_empty() || matches!(holder, Expr::Record(_));
        if !known {
            self.unknown();
        }
        for mut of in holders {
            for name in names {
                self.attribute(of.clone(), name);
                of = of.then(name);
            }
        }
        match holder {
            // The policy sees nothing of a variable but the attribute.
            Expr::Var(_) => {}
            Expr::GetAttr { expr, attr } => self.attributes(expr, &[attr]),
            Expr::Literal(literal) => self.literal(literal),
            _ => {
                self.reads.unclear = true;
                self.value(holder);
            }
        }
    }

    fn attribute(&mut self, of: Path, name: &str) {
        self.term.attributes.insert(name.into());
        self.reads.found.insert(Read::Attribute(of, name.into()));
    }

    fn entity(&mut self, uid: &EntityUID) {
        let Root::Written(kind) = written(uid) else { return };
        self.reads.found.insert(Read::Named(kind, uid.eid.as_str().into()));
    }

    /// Marks the policy as reading everything.
    fn unknown(&mut self) {
        self.reads.everything = true;
        self.term.any = true;
    }
}

/// The member of the context that is read by its form.
const PATH: &str = "path";

/// Whether this is `context.path`.
fn is_path(expr: &Expr) -> bool {
    let Expr::GetAttr { expr, attr } = expr else { return false };
    attr == PATH && matches!(**expr, Expr::Var(Var::Context))
}

fn variable(var: &Var) -> Root {
    match var {
        Var::Principal => Root::Principal,
        Var::Action => Root::Action,
        Var::Resource => Root::Resource,
        Var::Context => Root::Context,
    }
}

fn written(uid: &EntityUID) -> Root {
    Root::Written(uid.ty.0.to_string().into())
}

/// Returns the entities or records that an expression may stand for; none if the expression is not understood.
fn paths(expr: &Expr) -> Vec<Path> {
    match expr {
        Expr::Var(var) => vec![Path::of(variable(var))],
        Expr::Literal(Literal::EntityUID(uid)) => vec![Path::of(written(uid))],
        Expr::GetAttr { expr, attr } => match &**expr {
            Expr::Record(members) => {
                members.get(attr.as_str()).map_or_else(Vec::new, |it| paths(it))
            }
            holder => paths(holder).into_iter().map(|path| path.then(attr)).collect(),
        },
        Expr::IfThenElse { then_expr, else_expr, .. } => {
            [then_expr, else_expr].into_iter().flat_map(|it| paths(it)).collect()
        }
        Expr::Set(elements) => elements.iter().flat_map(|it| paths(it)).collect(),
        _ => Vec::new(),
    }
}
