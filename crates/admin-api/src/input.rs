//! From a mutation's input to the application's types: parsed once, every fault collected.

use async_graphql::{Context, MaybeUndefined};
use chancery_application::{InputDigest, Remember, Request};
use chancery_domain::{
    Faults, Invalid, TenantId,
    value::{CustomClaims, Patch},
};

use crate::{error::Failure, scalars::Json, session::Session};

/// The greatest number that GraphQL's `Int` holds.
const MAX_INT: u32 = i32::MAX.unsigned_abs();

/// A mutation's input.
pub(crate) trait Input {
    /// What it is once it is parsed.
    type Parsed;

    /// The caller's id for the command.
    fn command_id(&self) -> Option<&str>;

    /// Parses everything but the command's id. Paths begin within the input.
    fn parse(self, faults: &mut Faults) -> Option<Self::Parsed>;
}

/// An input that names its tenant by slug, and becomes the application's once the id is known.
pub(crate) struct InTenant<T> {
    /// The slug, as it was given: one that is none names no tenant.
    pub(crate) slug: String,
    /// The rest.
    pub(crate) make: Box<dyn FnOnce(TenantId) -> T + Send>,
}

/// The parsed input, and what comes with the command.
///
/// # Errors
/// [`Failure::Input`] with every fault.
pub(crate) fn parsed<I: Input>(
    ctx: &Context<'_>,
    input: I,
) -> Result<(I::Parsed, Request), Failure> {
    let mut faults = Faults::default();
    let command_id = faults.take_optional("commandId", input.command_id().map(str::parse));
    let input = input.parse(&mut faults);
    let (input, command_id) = faults
        .finish(input.zip(command_id))
        .map_err(Failure::Input)?;
    let remember = match command_id {
        Some(command_id) => Some(Remember {
            command_id,
            digest: digest(ctx)?,
        }),
        None => None,
    };
    let session = Session::of(ctx)?;
    let trace_id = Some(session.trace_id.clone());
    let request = Request::new(remember, trace_id).until(session.deadline);
    Ok((input, request))
}

/// The digest of a mutation and its input: whether it comes in variables or in the document, and in
/// whichever order, makes no difference.
fn digest(ctx: &Context<'_>) -> Result<InputDigest, Failure> {
    let field = ctx.field();
    let arguments = field
        .arguments()
        .map_err(|_| Failure::Defect("the arguments cannot be read"))?;
    let input = arguments
        .into_iter()
        .find(|(name, _)| name == "input")
        .map(|(_, input)| input);
    let input = input.unwrap_or_default().into_json();
    let input = input.map_err(|_| Failure::Defect("the input cannot be read as JSON"))?;
    Ok(digest_of(field.name(), input))
}

fn digest_of(verb: &str, mut input: serde_json::Value) -> InputDigest {
    if let Some(members) = input.as_object_mut() {
        members.remove("commandId");
    }
    InputDigest::of(verb, &input)
}

/// The version that a change is to be made on: a 64-bit number as text.
pub(crate) fn version(given: &str) -> Result<i64, Invalid> {
    given.parse().map_err(|_| {
        Invalid::new(
            "version",
            "must be a version as it is read: a whole number as text",
        )
    })
}

/// A small number that is not negative.
pub(crate) fn number(given: i64) -> Result<u32, Invalid> {
    u32::try_from(given)
        .ok()
        .filter(|number| *number <= MAX_INT)
        .ok_or_else(|| Invalid::new("range", format!("must be 0 to {MAX_INT}, and is {given}")))
}

/// A value that can be taken away: left out it stays, null takes it away.
pub(crate) fn patch<T, U>(
    faults: &mut Faults,
    path: &str,
    given: MaybeUndefined<T>,
    parse: impl FnOnce(T) -> Result<U, Invalid>,
) -> Patch<U> {
    match given {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => faults
            .take(path, parse(value))
            .map_or(Patch::Keep, Patch::Set),
    }
}

/// A value that is always there: left out it stays, null is a fault.
pub(crate) fn kept<T>(faults: &mut Faults, path: &str, given: MaybeUndefined<T>) -> Option<T> {
    match given {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Value(value) => Some(value),
        MaybeUndefined::Null => {
            faults.add(
                path,
                Invalid::new(
                    "null",
                    "must not be null; leave it out to keep what there is",
                ),
            );
            None
        }
    }
}

/// Claims that are added to tokens.
pub(crate) fn custom_claims(given: Json) -> Result<CustomClaims, Invalid> {
    CustomClaims::parse(given.0)
}

/// Each of a list's entries, or the fault of each that has one.
pub(crate) fn each<T>(
    faults: &mut Faults,
    path: &str,
    given: &[String],
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Vec<T> {
    let entries = given.iter().enumerate();
    entries
        .filter_map(|(index, text)| faults.take(format!("{path}[{index}]"), parse(text)))
        .collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The input, which has no fault.
    #[track_caller]
    pub(crate) fn right<I: Input>(input: I) -> I::Parsed {
        let mut faults = Faults::default();
        let parsed = input.parse(&mut faults);
        assert_eq!(faults.into_vec(), []);
        parsed.unwrap()
    }

    /// Where the input's faults are, and which rules they break.
    pub(crate) fn faults<I: Input>(input: I) -> Vec<(String, &'static str)> {
        let mut faults = Faults::default();
        let parsed = input.parse(&mut faults).map(|_| ());
        let faults = faults.finish(parsed).unwrap_err().into_vec();
        faults
            .into_iter()
            .map(|fault| (fault.path, fault.invalid.rule))
            .collect()
    }

    /// These paths and rules.
    pub(crate) fn at(faults: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        faults
            .iter()
            .map(|(path, rule)| ((*path).to_owned(), *rule))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_is_of_the_verb_and_the_input_without_the_commands_id() {
        let one = digest_of(
            "createApi",
            json!({"tenant": "acme", "identifier": "a:b", "commandId": "x"}),
        );
        let same = digest_of(
            "createApi",
            json!({"commandId": "y", "identifier": "a:b", "tenant": "acme"}),
        );
        assert_eq!(one, same);
        assert_ne!(
            one,
            digest_of("updateApi", json!({"tenant": "acme", "identifier": "a:b"}))
        );
        assert_ne!(
            one,
            digest_of("createApi", json!({"tenant": "acme", "identifier": "a:c"}))
        );
        let null = digest_of(
            "createApi",
            json!({"tenant": "acme", "identifier": "a:b", "name": null}),
        );
        assert_ne!(one, null, "null takes away, and left out does not");
    }

    proptest! {
        #[test]
        fn a_number_is_an_int_that_is_not_negative(given: i64) {
            let right = (0..=i64::from(i32::MAX)).contains(&given);
            prop_assert_eq!(number(given).is_ok(), right);
        }
    }

    #[test]
    fn left_out_null_and_given_are_three_things() {
        let mut faults = Faults::default();
        let mut patched = |given| patch(&mut faults, "overlapSeconds", given, number);
        assert_eq!(patched(MaybeUndefined::Undefined), Patch::Keep);
        assert_eq!(patched(MaybeUndefined::Null), Patch::Clear);
        assert_eq!(patched(MaybeUndefined::Value(5)), Patch::Set(5));
        assert!(faults.is_empty());
        assert_eq!(
            patch(
                &mut faults,
                "overlapSeconds",
                MaybeUndefined::Value(-5),
                number
            ),
            Patch::Keep
        );
        assert_eq!(
            kept::<bool>(&mut faults, "enforce", MaybeUndefined::Null),
            None
        );
        let paths: Vec<_> = faults
            .into_vec()
            .into_iter()
            .map(|fault| fault.path)
            .collect();
        assert_eq!(paths, ["overlapSeconds", "enforce"]);
    }
}
