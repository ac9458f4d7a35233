//! The schema as the sweep sees it: operations, the places where an input can name something, and
//! everything that can be read of an answer.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
};

/// The roots of the schema.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// The schema.
pub(crate) struct Schema {
    objects: BTreeMap<String, Vec<Field>>,
    inputs: BTreeMap<String, Vec<Argument>>,
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) kind: String,
}

/// An argument of a field, or a field of an input.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// As the schema has it, like `[String!]`.
    pub(crate) written: String,
    pub(crate) kind: String,
    required: bool,
}

/// A place in an operation's arguments that holds text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Like `input.grants.api`.
    pub(crate) path: String,
    /// Whether the schema says that it holds an id.
    pub(crate) is_id: bool,
}

impl Argument {
    fn of(definition: &InputValueDefinition) -> Self {
        Self {
            name: definition.name.node.to_string(),
            written: definition.ty.node.to_string(),
            kind: base(&definition.ty.node),
            required: !definition.ty.node.nullable && definition.default_value.is_none(),
        }
    }
}

fn base(of: &Type) -> String {
    match &of.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(each) => base(each),
    }
}

impl Schema {
    pub(crate) fn read(text: &str) -> Self {
        let (mut objects, mut inputs) = (BTreeMap::new(), BTreeMap::new());
        for definition in parse_schema(text).unwrap().definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    let fields = object.fields.iter().map(|field| Field {
                        name: field.node.name.node.to_string(),
                        arguments: field
                            .node
                            .arguments
                            .iter()
                            .map(|argument| Argument::of(&argument.node))
                            .collect(),
                        kind: base(&field.node.ty.node),
                    });
                    objects.insert(name, fields.collect());
                }
                TypeKind::InputObject(input) => {
                    let fields = input.fields.iter().map(|field| Argument::of(&field.node));
                    inputs.insert(name, fields.collect());
                }
                TypeKind::Scalar | TypeKind::Enum(_) => {}
                TypeKind::Interface(_) | TypeKind::Union(_) => {
                    panic!("the sweep cannot read {name}: teach it interfaces and unions")
                }
            }
        }
        Self { objects, inputs }
    }

    /// A field by its name, like `Query.client`.
    pub(crate) fn field(&self, operation: &str) -> Option<&Field> {
        let (object, field) = operation.split_once('.')?;
        self.objects
            .get(object)?
            .iter()
            .find(|each| each.name == field)
    }

    /// Every operation: each field of a root, and each field of an object in whose arguments
    /// something can be named.
    pub(crate) fn operations(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (object, fields) in &self.objects {
            for field in fields {
                if ROOTS.contains(&&**object) || !self.places(&field.arguments).is_empty() {
                    found.insert(format!("{object}.{}", field.name));
                }
            }
        }
        found
    }

    /// Every place in these arguments that holds text.
    pub(crate) fn places(&self, arguments: &[Argument]) -> BTreeSet<Place> {
        let mut found = BTreeSet::new();
        self.add_places(arguments, "", &mut Vec::new(), &mut found);
        found
    }

    fn add_places<'a>(
        &'a self,
        arguments: &'a [Argument],
        path: &str,
        open: &mut Vec<&'a str>,
        found: &mut BTreeSet<Place>,
    ) {
        for argument in arguments {
            let path = format!("{path}{}", argument.name);
            match &*argument.kind {
                "ID" | "String" => {
                    let is_id = argument.kind == "ID";
                    found.insert(Place { path, is_id });
                }
                kind => {
                    if let Some(fields) = self.inputs.get(kind)
                        && !open.contains(&kind)
                    {
                        open.push(kind);
                        self.add_places(fields, &format!("{path}."), open, found);
                        open.pop();
                    }
                }
            }
        }
    }

    /// Everything that can be read of a type without naming anything else, two entries of each list:
    /// ` { … }`, or nothing for a type that has no fields. A type within itself is left out.
    pub(crate) fn everything(&self, kind: &str) -> String {
        self.selection(kind, &mut Vec::new()).unwrap_or_default()
    }

    fn selection<'a>(&'a self, kind: &'a str, open: &mut Vec<&'a str>) -> Option<String> {
        let Some(fields) = self.objects.get(kind) else {
            return Some(String::new());
        };
        if open.contains(&kind) || open.len() > 12 {
            return None;
        }
        open.push(kind);
        let mut text = String::new();
        for field in fields {
            if field.arguments.iter().any(|argument| argument.required) {
                continue;
            }
            let pages = field.arguments.iter().any(|each| each.name == "first");
            if let Some(inner) = self.selection(&field.kind, open) {
                text.push(' ');
                text.push_str(&field.name);
                text.push_str(if pages { "(first: 2)" } else { "" });
                text.push_str(&inner);
            }
        }
        open.pop();
        // An object whose every field leads back has nothing to be read here.
        (!text.is_empty()).then(|| format!(" {{{text} }}"))
    }
}
