//! Views and differences for people.

use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Value};

use super::{
    diff::{Change, Difference, Kind, What},
    view::{AsOf, Item, View, has_names},
};

/// How far the values stand from the left, within their indentation.
const COLUMN: usize = 26;

impl Display for View {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.tenant.label)?;
        writeln!(f, "{}", self.as_of)?;
        self.tenant.print(f, 1)?;
        section(f, "signing keys", &self.signing_keys)?;
        section(f, "apis", &self.apis)?;
        section(f, "clients", &self.clients)
    }
}

impl Display for AsOf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            entry,
            recorded_at,
            is_last,
        } = self;
        write!(f, "as of {at}: entry {entry}")?;
        if recorded_at != at {
            write!(f, ", recorded at {recorded_at}")?;
        }
        if *is_last {
            write!(f, ", the last one in this roll")?;
        }
        Ok(())
    }
}

fn section(f: &mut Formatter<'_>, name: &str, items: &[Item]) -> fmt::Result {
    let live = items.iter().filter(|item| item.is_live);
    writeln!(f, "\n{name}: {}", live.clone().count())?;
    for item in live {
        let label = if item.label.is_empty() {
            &item.id
        } else {
            &item.label
        };
        writeln!(f, "  {label}")?;
        item.print(f, 2)?;
    }
    Ok(())
}

impl Item {
    fn print(&self, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
        value(f, depth, "id", &self.id)?;
        value(f, depth, "state", self.state)?;
        object(f, depth, &self.fields, false)?;
        for secret in self.secrets.iter().filter(|secret| secret.is_live) {
            let indent = "  ".repeat(depth);
            writeln!(f, "{indent}secret {}", secret.label)?;
            secret.print(f, depth + 1)?;
        }
        Ok(())
    }
}

fn value(f: &mut Formatter<'_>, depth: usize, name: &str, value: impl Display) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let width = COLUMN.saturating_sub(indent.len());
    writeln!(f, "{indent}{name:<width$} {value}")
}

fn object(
    f: &mut Formatter<'_>,
    depth: usize,
    fields: &Map<String, Value>,
    are_names: bool,
) -> fmt::Result {
    for (name, field) in fields {
        match field {
            Value::Null if are_names => writeln!(f, "{}{name}", "  ".repeat(depth))?,
            Value::Null => {}
            Value::Object(inner) if inner.is_empty() => {}
            Value::Object(inner) => {
                writeln!(f, "{}{name}", "  ".repeat(depth))?;
                object(f, depth + 1, inner, has_names(name))?;
            }
            field => value(f, depth, name, Plain(field))?,
        }
    }
    Ok(())
}

/// A value as people write it; what could be mistaken for the end of it is escaped.
struct Plain<'a>(&'a Value);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) if text.chars().any(char::is_control) => write!(f, "{text:?}"),
            Value::String(text) => f.write_str(text),
            Value::Null => f.write_str("nothing"),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                f.write_str(&texts.join(" "))
            }
            other => write!(f, "{other}"),
        }
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "from {}\nto   {}", self.from, self.to)?;
        if self.is_empty() {
            return writeln!(f, "\nnothing changed");
        }
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        Ok(())
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = match self.what {
            What::Added => '+',
            What::Changed => '~',
            What::Removed => '-',
        };
        let kind = match self.kind {
            Kind::Tenant => "tenant",
            Kind::SigningKey => "signing key",
            Kind::Api => "api",
            Kind::Client => "client",
            Kind::Secret => "secret",
        };
        write!(f, "{sign} {kind} {}", self.label)?;
        let space = if self.label.is_empty() { "" } else { " " };
        write!(f, "{space}{}", self.id)?;
        if let Some(client) = &self.client {
            write!(f, " of {client}")?;
        }
        match self.what {
            What::Removed => writeln!(f, ": {}", self.state)?,
            What::Added => writeln!(f, ", {}", self.state)?,
            What::Changed => writeln!(f)?,
        }
        for field in &self.fields {
            let name = field.field.join(" ");
            match (&field.before, &field.after) {
                (None, Some(Value::Null)) => writeln!(f, "    {name}")?,
                (Some(Value::Null), None) => writeln!(f, "    {name} → nothing")?,
                (None, Some(after)) => writeln!(f, "    {name}: {}", Plain(after))?,
                (Some(before), None) => writeln!(f, "    {name}: {} → nothing", Plain(before))?,
                (Some(before), Some(after)) => {
                    writeln!(f, "    {name}: {} → {}", Plain(before), Plain(after))?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}
