//! A GraphQL document before GraphQL sees it: what could overload the server is refused while
//! that is still cheap, and what GraphQL's library would misread is put right.

mod members;

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, Request, ServerError, Variables,
    parser::{
        parse_query,
        types::{
            DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition,
            OperationType, Selection, SelectionSet,
        },
    },
};
use async_graphql_value::Value as InputValue;

/// How deeply brackets of any kind may be nested. The parser calls itself for each level.
const MAX_NESTING: usize = 64;
/// How many fields an operation may ask for, each fragment counted wherever it is spread.
const MAX_FIELDS: usize = 500;
/// How many of these may have an alias.
const MAX_ALIASES: usize = 30;
/// How many directives an operation may have.
const MAX_DIRECTIVES: usize = 30;
/// How many fragments a document may define. Each can spread the next, and the walk calls itself for
/// each.
const MAX_FRAGMENTS: usize = 50;

/// The document of one request, reduced to the operation that will run.
///
/// # Errors
/// What is wrong with it: its syntax, or its size.
pub(crate) fn prepare(
    query: &str,
    operation_name: Option<&str>,
    variables: &Variables,
) -> Result<ExecutableDocument, Box<ServerError>> {
    if nesting(query) > MAX_NESTING {
        return Err(refused(format!(
            "brackets may be nested at most {MAX_NESTING} levels deep"
        ))
        .into());
    }
    if let Some(name) = members::repeated(query) {
        return Err(refused(format!(
            "`{name}` stands twice in one input object or list of arguments; give it once"
        ))
        .into());
    }
    let mut document = parse_query(query).map_err(|error| Box::new(error.into()))?;
    if let Some(name) = operation_name {
        choose(&mut document, name);
    }
    if document.fragments.len() > MAX_FRAGMENTS {
        return Err(refused(format!(
            "one request may define at most {MAX_FRAGMENTS} fragments"
        ))
        .into());
    }
    let mut sizes = Sizes {
        fragments: &document.fragments,
        known: HashMap::new(),
        open: HashSet::new(),
    };
    for (_, operation) in document.operations.iter() {
        sizes.of_operation(&operation.node)?.check()?;
    }
    // A fragment that nobody spreads is walked by the validation all the same.
    for name in document.fragments.keys() {
        sizes.of_fragment(name)?.check()?;
    }
    leave_out_absent(&mut document, variables);
    Ok(document)
}

/// A request whose document was looked at, or what is wrong with it.
pub(crate) fn request(request: Request, introspection: bool) -> Result<Request, Box<ServerError>> {
    looked_at(request, |document| {
        if introspection || !asks_for_schema(document) {
            return Ok(());
        }
        let message = "introspection is turned off on this server (graphql.introspection); the schema is the file schema/admin.graphql of this version";
        Err(refused(message.to_owned()).into())
    })
}

/// Whether `__schema` or `__type` is asked for anywhere; `__typename` tells nothing new.
fn asks_for_schema(document: &ExecutableDocument) -> bool {
    fn within(set: &SelectionSet) -> bool {
        set.items.iter().any(|item| match &item.node {
            Selection::Field(field) => {
                ["__schema", "__type"].contains(&&*field.node.name.node)
                    || within(&field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => within(&fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => false,
        })
    }
    let operations = document.operations.iter();
    let fragments = document.fragments.values();
    operations
        .map(|(_, operation)| &operation.node.selection_set.node)
        .chain(fragments.map(|fragment| &fragment.node.selection_set.node))
        .any(within)
}

/// The same for one that must be a subscription.
pub(crate) fn subscription(request: Request) -> Result<Request, Box<ServerError>> {
    looked_at(request, |document| {
        let mut operations = document.operations.iter();
        if operations.all(|(_, operation)| operation.node.ty == OperationType::Subscription) {
            return Ok(());
        }
        let message =
            "only subscriptions go over the WebSocket; send queries and mutations to POST /graphql";
        Err(refused(message.to_owned()).into())
    })
}

fn looked_at(
    mut request: Request,
    check: impl FnOnce(&ExecutableDocument) -> Result<(), Box<ServerError>>,
) -> Result<Request, Box<ServerError>> {
    let name = request.operation_name.as_deref();
    let document = prepare(&request.query, name, &request.variables)?;
    check(&document)?;
    request.set_parsed_query(document);
    Ok(request)
}

fn refused(message: String) -> ServerError {
    ServerError::new(message, None)
}

/// How deeply brackets are nested outside of strings and comments.
fn nesting(query: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = query.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
                after
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                after
            }
            _ => after_ignored(rest).unwrap_or(after),
        };
    }
    deepest
}

/// What comes after the string or the comment that begins here; `None` where none does.
fn after_ignored(text: &[u8]) -> Option<&[u8]> {
    let (byte, after) = text.split_first()?;
    match byte {
        b'#' => Some(past(after, &[], &[b"\n", b"\r"])),
        // In a block string only three quotes can be escaped, not a backslash.
        b'"' if after.starts_with(b"\"\"") => Some(past(&after[2..], &[b"\\\"\"\""], &[b"\"\"\""])),
        b'"' => Some(past(after, &[b"\\\\", b"\\\""], &[b"\"", b"\n", b"\r"])),
        _ => None,
    }
}

/// What comes after the first of these ends that is not part of an escape.
fn past<'a>(mut rest: &'a [u8], escapes: &[&[u8]], ends: &[&[u8]]) -> &'a [u8] {
    let begins = |rest: &[u8], with: &[&[u8]]| {
        with.iter()
            .find(|text| rest.starts_with(text))
            .map(|text| text.len())
    };
    while !rest.is_empty() {
        if let Some(length) = begins(rest, escapes) {
            rest = &rest[length..];
        } else if let Some(length) = begins(rest, ends) {
            return &rest[length..];
        } else {
            rest = &rest[1..];
        }
    }
    rest
}

/// Keeps the operation of this name, and the fragments that it needs: the others are not run, so
/// they neither count nor need to be right.
fn choose(document: &mut ExecutableDocument, name: &str) {
    let DocumentOperations::Multiple(operations) = &mut document.operations else {
        return;
    };
    if operations.len() < 2 || !operations.contains_key(name) {
        return;
    }
    operations.retain(|operation, _| operation == name);
    let mut needed = HashSet::new();
    let mut waiting: Vec<&SelectionSet> = operations
        .values()
        .map(|operation| &operation.node.selection_set.node)
        .collect();
    while let Some(selections) = waiting.pop() {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => waiting.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => waiting.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = document.fragments.get(name)
                        && needed.insert(name.clone())
                    {
                        waiting.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    document.fragments.retain(|name, _| needed.contains(name));
}

/// How much an operation or a fragment asks for, with every fragment that it spreads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    aliases: usize,
    directives: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
    }

    fn check(self) -> Result<(), Box<ServerError>> {
        for (what, size, most) in [
            ("fields", self.fields, MAX_FIELDS),
            ("aliases", self.aliases, MAX_ALIASES),
            ("directives", self.directives, MAX_DIRECTIVES),
        ] {
            if size > most {
                return Err(refused(format!(
                    "one request may ask for at most {most} {what}, each fragment counted wherever it is spread; ask in several requests"
                )).into());
            }
        }
        Ok(())
    }
}

/// Sizes without walking anything twice: fragments that spread each other twice, each the next, would
/// otherwise take two to the power of their number.
struct Sizes<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    known: HashMap<&'a Name, Size>,
    open: HashSet<&'a Name>,
}

impl<'a> Sizes<'a> {
    fn of_operation(
        &mut self,
        operation: &'a OperationDefinition,
    ) -> Result<Size, Box<ServerError>> {
        let mut size = self.of_selections(&operation.selection_set.node)?;
        size.directives = size.directives.saturating_add(operation.directives.len());
        for variable in &operation.variable_definitions {
            size.directives = size
                .directives
                .saturating_add(variable.node.directives.len());
        }
        Ok(size)
    }

    fn of_fragment(&mut self, name: &'a Name) -> Result<Size, Box<ServerError>> {
        if let Some(size) = self.known.get(name) {
            return Ok(*size);
        }
        // The validation says that there is no such fragment.
        let Some(fragment) = self.fragments.get(name) else {
            return Ok(Size::default());
        };
        if !self.open.insert(name) {
            return Err(refused(format!("the fragment `{name}` spreads itself")).into());
        }
        let mut size = self.of_selections(&fragment.node.selection_set.node)?;
        size.directives = size
            .directives
            .saturating_add(fragment.node.directives.len());
        self.open.remove(name);
        self.known.insert(name, size);
        Ok(size)
    }

    fn of_selections(&mut self, selections: &'a SelectionSet) -> Result<Size, Box<ServerError>> {
        let mut size = Size::default();
        for selection in &selections.items {
            size.add(Size {
                directives: selection.node.directives().len(),
                ..Size::default()
            });
            match &selection.node {
                Selection::Field(field) => {
                    size.add(Size {
                        fields: 1,
                        aliases: usize::from(field.node.alias.is_some()),
                        directives: 0,
                    });
                    size.add(self.of_selections(&field.node.selection_set.node)?);
                }
                Selection::InlineFragment(inline) => {
                    size.add(self.of_selections(&inline.node.selection_set.node)?);
                }
                Selection::FragmentSpread(spread) => {
                    size.add(self.of_fragment(&spread.node.fragment_name.node)?);
                }
            }
        }
        Ok(size)
    }
}

/// Leaves out what is given by a variable that has no value: by the specification (section 3.10)
/// such a field counts as left out, and the library takes it for null, which here would clear what
/// the caller wants to keep.
fn leave_out_absent(document: &mut ExecutableDocument, variables: &Variables) {
    let DocumentOperations::Single(operation) = &mut document.operations else {
        let DocumentOperations::Multiple(operations) = &mut document.operations else {
            return;
        };
        if operations.len() == 1
            && let Some(operation) = operations.values_mut().next()
        {
            leave_out_of(&mut operation.node, &mut document.fragments, variables);
        }
        return;
    };
    leave_out_of(&mut operation.node, &mut document.fragments, variables);
}

fn leave_out_of(
    operation: &mut OperationDefinition,
    fragments: &mut HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &Variables,
) {
    let mut absent = HashSet::new();
    operation.variable_definitions.retain(|variable| {
        let variable = &variable.node;
        let has_value = variables.contains_key(&variable.name.node)
            || variable.default_value.is_some()
            || !variable.var_type.node.nullable;
        if !has_value {
            absent.insert(variable.name.node.clone());
        }
        has_value
    });
    if absent.is_empty() {
        return;
    }
    leave_out_of_selections(&mut operation.selection_set.node, &absent);
    for fragment in fragments.values_mut() {
        leave_out_of_selections(&mut fragment.node.selection_set.node, &absent);
    }
}

fn leave_out_of_selections(selections: &mut SelectionSet, absent: &HashSet<Name>) {
    for selection in &mut selections.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let field = &mut field.node;
                field
                    .arguments
                    .retain_mut(|(_, value)| stays(&mut value.node, absent));
                leave_out_of_selections(&mut field.selection_set.node, absent);
            }
            Selection::InlineFragment(inline) => {
                leave_out_of_selections(&mut inline.node.selection_set.node, absent);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Whether a value is there, once what is absent has been left out of it. In a list it becomes null.
fn stays(value: &mut InputValue, absent: &HashSet<Name>) -> bool {
    match value {
        InputValue::Variable(name) => return !absent.contains(name),
        InputValue::List(items) => {
            for item in items {
                if !stays(item, absent) {
                    *item = InputValue::Null;
                }
            }
        }
        InputValue::Object(members) => members.retain(|_, member| stays(member, absent)),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests;
