//! The small part of Python in which Cairo 0 hints read their program's input.
//!
//! A hint is understood if every line is one of
//!
//! ```text
//! ids.NAME = EXPR                      memory[EXPR] = EXPR        NAME = EXPR
//! segments.load_data(EXPR, EXPR)       output_builtin.add_page(page_id=EXPR, page_start=EXPR, page_size=EXPR)
//! ecdsa_builtin.add_signature(EXPR, (EXPR, EXPR))
//! ```
//!
//! with expressions from numbers, `program_input`, `ids.NAME`, `ap`, `fp`, names, `EXPR[EXPR]`, `'KEY'`, `int(EXPR, BASE)`,
//! `+`, `-`, `*` and parentheses. Everything else is left to the hints that the virtual machine knows by their text.

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    SetIds(String, Expression),
    SetMemory(Expression, Expression),
    SetName(String, Expression),
    LoadData(Expression, Expression),
    AddPage { id: Expression, start: Expression, size: Expression },
    AddSignature { address: Expression, r: Expression, s: Expression },
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(String),
    Text(String),
    ProgramInput,
    Ids(String),
    Ap,
    Fp,
    Name(String),
    Index(Box<Expression>, Box<Expression>),
    ParseInteger(Box<Expression>, u32),
    Sum(Box<Expression>, Box<Expression>),
    Difference(Box<Expression>, Box<Expression>),
    Product(Box<Expression>, Box<Expression>),
}

/// The statements of a hint, if it is written in this language.
pub(crate) fn parse(code: &str) -> Option<Vec<Statement>> {
    let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parser = Parser { tokens: tokens(line)?, position: 0, depth: 0 };
            let statement = parser.statement()?;
            (parser.position == parser.tokens.len()).then_some(statement)
        })
        .collect()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Number(String),
    Text(String),
    Symbol(char),
}

fn tokens(line: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..length].into()));
            length
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].into()));
            length
        } else if first == '\'' || first == '"' {
            let length = rest[1..].find(first)?;
            tokens.push(Token::Text(rest[1..=length].into()));
            length + 2
        } else if "=[]().,+-*".contains(first) {
            tokens.push(Token::Symbol(first));
            1
        } else {
            return None;
        };
        rest = &rest[length..];
    }
    Some(tokens)
}

/// How deep expressions may nest: hints are input, and this parser recurses.
const MAX_DEPTH: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += 1;
        token
    }

    fn symbol(&mut self, symbol: char) -> Option<()> {
        (self.next()? == Token::Symbol(symbol)).then_some(())
    }

    fn word(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn keyword(&mut self, keyword: &str) -> Option<()> {
        (self.word()? == keyword).then_some(())
    }

    /// Whether the next tokens are these; if so they are consumed.
    fn accept(&mut self, words: &[&str]) -> bool {
        let matches =
            words.iter().enumerate().all(|(index, expected)| match self.tokens.get(self.position + index) {
                Some(Token::Word(word)) => word == expected,
                Some(Token::Symbol(symbol)) => expected.len() == 1 && expected.starts_with(*symbol),
                _ => false,
            });
        if matches {
            self.position += words.len();
        }
        matches
    }

    fn statement(&mut self) -> Option<Statement> {
        if self.accept(&["ids", "."]) {
            let name = self.word()?;
            self.symbol('=')?;
            return Some(Statement::SetIds(name, self.expression()?));
        }
        if self.accept(&["memory", "["]) {
            let address = self.expression()?;
            self.symbol(']')?;
            self.symbol('=')?;
            return Some(Statement::SetMemory(address, self.expression()?));
        }
        if self.accept(&["segments", ".", "load_data", "("]) {
            let address = self.expression()?;
            self.symbol(',')?;
            let data = self.expression()?;
            self.symbol(')')?;
            return Some(Statement::LoadData(address, data));
        }
        if self.accept(&["output_builtin", ".", "add_page", "("]) {
            let id = self.named("page_id")?;
            self.symbol(',')?;
            let start = self.named("page_start")?;
            self.symbol(',')?;
            let size = self.named("page_size")?;
            self.symbol(')')?;
            return Some(Statement::AddPage { id, start, size });
        }
        if self.accept(&["ecdsa_builtin", ".", "add_signature", "("]) {
            let address = self.expression()?;
            self.symbol(',')?;
            self.symbol('(')?;
            let r = self.expression()?;
            self.symbol(',')?;
            let s = self.expression()?;
            self.symbol(')')?;
            self.symbol(')')?;
            return Some(Statement::AddSignature { address, r, s });
        }
        let name = self.word()?;
        self.symbol('=')?;
        Some(Statement::SetName(name, self.expression()?))
    }

    /// `name=EXPR`, a named argument.
    fn named(&mut self, name: &str) -> Option<Expression> {
        self.keyword(name)?;
        self.symbol('=')?;
        self.expression()
    }

    fn expression(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.product()?;
        loop {
            match self.peek() {
                Some(Token::Symbol('+')) => {
                    self.position += 1;
                    left = Expression::Sum(Box::new(left), Box::new(self.product()?));
                }
                Some(Token::Symbol('-')) => {
                    self.position += 1;
                    left = Expression::Difference(Box::new(left), Box::new(self.product()?));
                }
                _ => break,
            }
        }
        self.depth -= 1;
        Some(left)
    }

    fn product(&mut self) -> Option<Expression> {
        let mut left = self.postfix()?;
        while self.peek() == Some(&Token::Symbol('*')) {
            self.position += 1;
            left = Expression::Product(Box::new(left), Box::new(self.postfix()?));
        }
        Some(left)
    }

    fn postfix(&mut self) -> Option<Expression> {
        let mut value = self.atom()?;
        while self.peek() == Some(&Token::Symbol('[')) {
            self.position += 1;
            let index = self.expression()?;
            self.symbol(']')?;
            value = Expression::Index(Box::new(value), Box::new(index));
        }
        Some(value)
    }

    fn atom(&mut self) -> Option<Expression> {
        Some(match self.next()? {
            Token::Number(number) => Expression::Number(number),
            Token::Text(text) => Expression::Text(text),
            Token::Symbol('(') => {
                let inner = self.expression()?;
                self.symbol(')')?;
                inner
            }
            Token::Symbol(_) => return None,
            Token::Word(word) => match word.as_str() {
                "program_input" => Expression::ProgramInput,
                "ap" => Expression::Ap,
                "fp" => Expression::Fp,
                "ids" => {
                    self.symbol('.')?;
                    Expression::Ids(self.word()?)
                }
                "int" => {
                    self.symbol('(')?;
                    let text = self.expression()?;
                    self.symbol(',')?;
                    let Token::Number(base) = self.next()? else { return None };
                    self.symbol(')')?;
                    let base = base.parse().ok().filter(|base| matches!(base, 10 | 16))?;
                    Expression::ParseInteger(Box::new(text), base)
                }
                _ => Expression::Name(word),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Box<Expression> {
        Box::new(Expression::Name(name.into()))
    }

    #[test]
    fn assignments_from_the_program_input_are_understood() {
        let statements =
            parse("ids.n = program_input['n']\n\n# a remark\nsig = program_input[\"s\"][ids.i - 1]").unwrap();
        let input = |key: &str| {
            Expression::Index(Box::new(Expression::ProgramInput), Box::new(Expression::Text(key.into())))
        };
        let index = Expression::Difference(
            Box::new(Expression::Ids("i".into())),
            Box::new(Expression::Number("1".into())),
        );
        assert_eq!(
            statements,
            [
                Statement::SetIds("n".into(), input("n")),
                Statement::SetName("sig".into(), Expression::Index(Box::new(input("s")), Box::new(index))),
            ]
        );
    }

    #[test]
    fn products_bind_closer_than_sums() {
        assert_eq!(
            parse("memory[ap] = a + b * c"),
            Some(vec![Statement::SetMemory(
                Expression::Ap,
                Expression::Sum(name("a"), Box::new(Expression::Product(name("b"), name("c")))),
            )])
        );
    }

    #[test]
    fn other_python_is_left_to_others() {
        for code in [
            "import os",
            "ids.a = f(3)",
            "for i in range(3): x = i",
            "ids.a = 3 if x else 4",
            "memory[ap] = segments.add()",
            "ids.a = 'open",
            "vm_enter_scope()",
        ] {
            assert_eq!(parse(code), None, "{code}");
        }
        let deep = format!("x = {}1{}", "(".repeat(1000), ")".repeat(1000));
        assert_eq!(parse(&deep), None);
    }
}
