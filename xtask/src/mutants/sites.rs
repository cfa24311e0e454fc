//! Where a source text can be changed, and into what.
//!
//! Two sources of changes. `cargo-mutants` lists its own: functions replaced by a value, operators exchanged, match
//! arms and guards removed. It has no operator that removes a check, and it skips functions named `new`; those are
//! found here.

use std::fmt;

use proc_macro2::{LineColumn, Span};
use quote::ToTokens as _;
use serde_json::Value;
use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprBinary, ExprIf, ExprMethodCall, ExprUnary, ImplItemFn, ItemConst,
    ItemFn, ItemMod, ItemStatic, Meta, Signature, Stmt,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// One change, by its number in the environment variable of the switched build.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    /// The file, relative to the root of the workspace.
    pub(super) file: String,
    /// What is changed, with its line.
    pub(super) name: String,
    /// Who thought of it.
    pub(super) operator: Operator,
    /// What a switched build is made of; `None` if the change cannot be switched at run time.
    pub(super) edits: Option<Vec<Insertion>>,
}

/// Who thought of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operator {
    /// Removes a check.
    RemoveCheck,
    /// Exchanges an operator in a function that `cargo-mutants` skips.
    Exchange,
    /// Listed by `cargo-mutants`.
    CargoMutants,
}

/// A text to put in. `NUMBER` in it becomes the number of the mutant.
#[derive(Clone, Debug)]
pub(super) struct Insertion {
    /// The byte offset in the original text.
    pub(super) at: usize,
    /// Opening texts are ordered from the longest stretch to the shortest, closing ones the other way round.
    pub(super) stretch: isize,
    /// The text.
    pub(super) text: String,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::RemoveCheck => "check removed",
            Operator::Exchange => "operator in `new`",
            Operator::CargoMutants => "cargo-mutants",
        })
    }
}

impl Mutant {
    /// The package, without the prefix of the workspace.
    pub(super) fn package(&self) -> &str {
        self.file.split('/').nth(1).unwrap_or_default()
    }
}

/// Whether the mutant with this number is the one that runs.
pub(super) const SWITCHED: &str = "crate::mutant_switch::on(NUMBER)";

/// The mutants of one file.
pub(super) fn find(file: &str, text: &str, listed: &[Value]) -> Result<Vec<Mutant>, String> {
    let syntax = syn::parse_file(text).map_err(|error| format!("{file}: {error}"))?;
    let listed = listed.iter().filter(|mutant| mutant["file"] == file).map(Listed::read).collect();
    let mut finder =
        Finder { file, text, lines: line_starts(text), listed, in_new: false, found: Vec::new() };
    for listed in std::mem::take(&mut finder.listed) {
        let edits = match listed.genre.as_str() {
            "FnValue" => {
                Some(finder.at_start(&listed, format!("if {SWITCHED} {{ return {}; }} ", listed.replacement)))
            }
            "MatchArmGuard" => {
                let (start, end) = (finder.offset(listed.start), finder.offset(listed.end));
                Some(around(
                    start,
                    end,
                    &format!("if {SWITCHED} {{ {} }} else {{ ", listed.replacement),
                    " }",
                ))
            }
            _ => None,
        };
        finder.found.push(Mutant {
            file: file.into(),
            name: listed.name.clone(),
            operator: Operator::CargoMutants,
            edits,
        });
        finder.listed.push(listed);
    }
    finder.visit_file(&syntax);
    Ok(finder.found)
}

/// A mutant as `cargo-mutants` lists it.
struct Listed {
    name: String,
    genre: String,
    replacement: String,
    start: LineColumn,
    end: LineColumn,
}

impl Listed {
    fn read(value: &Value) -> Listed {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = |value: &Value| LineColumn {
            line: value["line"].as_u64().unwrap_or(1) as usize,
            column: value["column"].as_u64().unwrap_or(1) as usize - 1,
        };
        let (start, end) = (place(&value["span"]["start"]), place(&value["span"]["end"]));
        let name = text(&value["name"]);
        Listed { name, genre: text(&value["genre"]), replacement: text(&value["replacement"]), start, end }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn around(start: usize, end: usize, open: &str, close: &str) -> Vec<Insertion> {
    let stretch = (end - start) as isize;
    vec![
        Insertion { at: start, stretch: -stretch, text: open.into() },
        Insertion { at: end, stretch, text: close.into() },
    ]
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    lines: Vec<usize>,
    listed: Vec<Listed>,
    in_new: bool,
    found: Vec<Mutant>,
}

impl Finder<'_> {
    /// The byte offset of a place; columns count characters.
    fn offset(&self, place: LineColumn) -> usize {
        let start = self.lines.get(place.line - 1).copied().unwrap_or(self.text.len());
        let line = &self.text[start..];
        start + line.char_indices().nth(place.column).map_or(line.len(), |(at, _)| at)
    }

    fn range(&self, span: Span) -> (usize, usize) {
        (self.offset(span.start()), self.offset(span.end()))
    }

    fn source(&self, span: Span) -> &str {
        let (start, end) = self.range(span);
        &self.text[start..end]
    }

    fn at_start(&self, listed: &Listed, text: String) -> Vec<Insertion> {
        // Longer than any expression that begins there.
        vec![Insertion { at: self.offset(listed.start), stretch: isize::MIN, text }]
    }

    /// Gives a listed mutant at this place its edits.
    fn switch_listed(
        &mut self,
        genre: &str,
        start: LineColumn,
        edits: impl Fn(&Self, &str) -> Vec<Insertion>,
    ) {
        for index in 0..self.listed.len() {
            let listed = &self.listed[index];
            if listed.genre == genre && listed.start == start {
                let made = edits(self, &listed.replacement);
                self.found[index].edits = Some(made);
            }
        }
    }

    fn removal(&mut self, span: Span, what: &str, edits: Vec<Insertion>) {
        self.add(Operator::RemoveCheck, span, what, edits);
    }

    fn add(&mut self, operator: Operator, span: Span, what: &str, edits: Vec<Insertion>) {
        let source = self.source(span).split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = source.chars().take(90).collect();
        let name = format!("{}:{}: {what} {shown}", self.file, span.start().line);
        self.found.push(Mutant { file: self.file.into(), name, operator, edits: Some(edits) });
    }

    /// Forces a condition: to `false` if it guards an error, to `true` if an error is what else happens.
    fn force(&mut self, condition: &Expr, to: bool) {
        let (start, end) = self.range(condition.span());
        let edits = match (contains_let(condition), to) {
            (true, true) => return,
            (true, false) => around(start, end, &format!("!{SWITCHED} && "), ""),
            (false, true) => around(start, end, &format!("{SWITCHED} || ("), ")"),
            (false, false) => around(start, end, &format!("!{SWITCHED} && ("), ")"),
        };
        self.removal(condition.span(), "remove the check", edits);
    }

    fn function(&mut self, signature: &Signature, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        // Nothing can be switched while compiling.
        if signature.constness.is_some() || is_test(attributes) {
            return;
        }
        let outer = std::mem::replace(&mut self.in_new, signature.ident == "new");
        visit(self);
        self.in_new = outer;
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::NameValue(_) => false,
    })
}

fn contains_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => contains_let(&binary.left) || contains_let(&binary.right),
        _ => false,
    }
}

/// Whether a block ends in a refusal: an error, or nothing where something was asked for.
fn refuses(block: &Block) -> bool {
    matches!(block.stmts.last(), Some(Stmt::Expr(last, _)) if is_refusal(last))
}

fn is_refusal(expression: &Expr) -> bool {
    match expression {
        Expr::Return(value) => value.expr.as_ref().is_some_and(|value| is_refusal(value)),
        Expr::Call(call) => call.func.to_token_stream().to_string() == "Err",
        Expr::Path(path) => path.path.is_ident("None"),
        Expr::Block(block) => refuses(&block.block),
        _ => false,
    }
}

/// What an operator is exchanged for where `cargo-mutants` does not look.
fn exchanged(operator: &BinOp) -> Option<&'static str> {
    Some(match operator {
        BinOp::Eq(_) => "!=",
        BinOp::Ne(_) => "==",
        BinOp::Lt(_) => "<=",
        BinOp::Le(_) => "<",
        BinOp::Gt(_) => ">=",
        BinOp::Ge(_) => ">",
        BinOp::And(_) => "||",
        BinOp::Or(_) => "&&",
        BinOp::Add(_) => "-",
        BinOp::Sub(_) => "+",
        BinOp::Mul(_) => "+",
        BinOp::Shl(_) => ">>",
        BinOp::Shr(_) => "<<",
        BinOp::BitAnd(_) => "|",
        BinOp::BitOr(_) => "&",
        BinOp::BitXor(_) => "|",
        BinOp::ShrAssign(_) => "<<=",
        BinOp::SubAssign(_) => "+=",
        BinOp::AddAssign(_) => "-=",
        _ => return None,
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_const(&mut self, _: &'ast ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.attrs, |finder| visit::visit_item_fn(finder, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.attrs, |finder| visit::visit_impl_item_fn(finder, function));
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        if !contains_let(&binary.left) && !contains_let(&binary.right) {
            let edits = |finder: &Self, operator: &str| {
                let (start, end) = finder.range(binary.span());
                let (left, right) = (finder.source(binary.left.span()), finder.source(binary.right.span()));
                let open = format!("(if {SWITCHED} {{ ({left}) {operator} ({right}) }} else {{ ");
                around(start, end, &open, " })")
            };
            self.switch_listed("BinaryOperator", binary.op.span().start(), edits);
            if self.in_new
                && let Some(operator) = exchanged(&binary.op)
            {
                let made = edits(self, operator);
                self.add(Operator::Exchange, binary.span(), &format!("use {operator} in"), made);
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        self.switch_listed("UnaryOperator", unary.op.span().start(), |finder, _| {
            let (start, end) = finder.range(unary.span());
            let operand = finder.source(unary.expr.span());
            around(start, end, &format!("(if {SWITCHED} {{ {operand} }} else {{ "), " })")
        });
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.switch_listed("MatchArm", arm.span().start(), |finder, _| match &arm.guard {
            Some((_, guard)) => {
                let (start, end) = finder.range(guard.span());
                around(start, end, &format!("!{SWITCHED} && ("), ")")
            }
            None => {
                let (_, end) = finder.range(arm.pat.span());
                vec![Insertion { at: end, stretch: 0, text: format!(" if !{SWITCHED}") }]
            }
        });
        visit::visit_arm(self, arm);
    }

    fn visit_expr_if(&mut self, branch: &'ast ExprIf) {
        if refuses(&branch.then_branch) {
            self.force(&branch.cond, false);
        } else if branch.else_branch.as_ref().is_some_and(|(_, other)| is_refusal(other)) {
            self.force(&branch.cond, true);
        }
        visit::visit_expr_if(self, branch);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(Expr::Try(check), Some(_)) = statement {
            let (start, end) = self.range(statement.span());
            let edits = around(start, end, &format!("if !{SWITCHED} {{ "), " }");
            self.removal(check.span(), "remove the check", edits);
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let arguments: Vec<&Expr> = call.args.iter().collect();
        match (call.method.to_string().as_str(), arguments.as_slice()) {
            ("filter", [Expr::Closure(closure)]) => {
                let (start, end) = self.range(closure.body.span());
                let edits = around(start, end, &format!("({SWITCHED} || ("), "))");
                self.removal(closure.body.span(), "remove the filter", edits);
            }
            (method @ ("checked_add" | "checked_sub" | "checked_mul"), [argument]) => {
                let (start, end) = self.range(call.span());
                let (receiver, argument) = (self.source(call.receiver.span()), self.source(argument.span()));
                let wrapping = method.replace("checked", "wrapping");
                let open = format!("(if {SWITCHED} {{ Some({receiver}.{wrapping}({argument})) }} else {{ ");
                let edits = around(start, end, &open, " })");
                self.removal(call.span(), "let wrap", edits);
            }
            _ => {}
        }
        visit::visit_expr_method_call(self, call);
    }
}
