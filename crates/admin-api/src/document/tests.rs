use async_graphql::value;

use super::*;

fn prepared(query: &str) -> Result<ExecutableDocument, String> {
    prepare(query, None, &Variables::default()).map_err(|error| error.message)
}

fn refusal(query: &str) -> String {
    prepared(query).map_or_else(|message| message, |_| panic!("taken"))
}

#[test]
fn brackets_in_strings_and_comments_do_not_count() {
    assert_eq!(nesting("{ a(b: [{c: 1}]) }"), 4);
    assert_eq!(nesting("{ a } { b }"), 1);
    assert_eq!(nesting("{ # {{{{ \\\n a }"), 1);
    assert_eq!(nesting(r#"{ a(b: "{{{ \" {{{", c: "\\") }"#), 2);
    assert_eq!(nesting(r#"{ a(b: """{{ " "" \""" {{""", c: [1]) }"#), 3);
    assert_eq!(nesting("\"{{{"), 0);
    // In a block string a backslash escapes nothing but three quotes, so this one ends before `#`
    // only for who reads it wrongly.
    assert_eq!(
        nesting("{ a(y: \"\"\"x\\\"\"\"\" # \"\"\", x: [[[1]]]) }"),
        5
    );
    assert_eq!(nesting("{ a(y: \"\"\"\\\"\"\", x: [[[1]]]) }"), 2);
    assert_eq!(nesting("{ a(y: \"\"\"\\\\\"\"\", x: [[[1]]]) }"), 2);
    assert_eq!(nesting("{ a(b: \"\") { c } }"), 2);
}

#[test]
fn deep_documents_are_refused_before_they_are_parsed() {
    for (open, close) in [("{a", "}"), ("[", "]"), ("{a:", "}"), ("(", ")")] {
        let query = format!(
            "{{ f(x: {}1{}) }}",
            open.repeat(20_000),
            close.repeat(20_000)
        );
        assert!(refusal(&query).contains("nested"), "{open}");
        assert!(refusal(&open.repeat(30_000)).contains("nested"), "{open}");
    }
}

#[test]
fn the_deepest_documents_that_pass_are_parsed() {
    let lists = MAX_NESTING - 2;
    assert!(
        prepared(&format!(
            "{{ f(x: {}{}) }}",
            "[".repeat(lists),
            "]".repeat(lists)
        ))
        .is_ok()
    );
    let objects = format!("{{ f(x: {}1{}) }}", "{a:".repeat(lists), "}".repeat(lists));
    assert!(prepared(&objects).is_ok());
    let fields = format!(
        "{}{{x}}{}",
        "{a".repeat(MAX_NESTING - 1),
        "}".repeat(MAX_NESTING - 1)
    );
    assert!(prepared(&fields).is_ok());
}

#[test]
fn syntax_errors_name_their_place() {
    let error = prepare("{ a(", None, &Variables::default()).unwrap_err();
    assert_eq!(error.locations[0].line, 1);
}

#[test]
fn fields_aliases_and_directives_are_counted_through_fragments() {
    let aliased = |count: usize| {
        let fields: Vec<_> = (0..count).map(|n| format!("a{n}: x")).collect();
        fields.join(" ")
    };
    assert!(prepared(&format!("{{ {} }}", aliased(MAX_ALIASES))).is_ok());
    assert!(refusal(&format!("{{ {} }}", aliased(MAX_ALIASES + 1))).contains("aliases"));
    let spread = format!(
        "{{ ...F b {{ ...F }} }} fragment F on Q {{ {} }}",
        aliased(MAX_ALIASES / 2 + 1)
    );
    assert!(refusal(&spread).contains("aliases"));
    assert!(refusal(&format!("{{ {} }}", "x ".repeat(MAX_FIELDS + 1))).contains("fields"));
    let directives = "@skip(if: false) ".repeat(MAX_DIRECTIVES + 1);
    for query in [
        format!("{{ x {directives} }}"),
        format!("{{ ... {directives} {{ x }} }}"),
        format!("query {directives} {{ x }}"),
        format!("query ($a: Int {directives}) {{ x }}"),
        format!("{{ ...F }} fragment F on Q {directives} {{ x }}"),
    ] {
        assert!(refusal(&query).contains("directives"), "{query}");
    }
}

#[test]
fn fragments_that_multiply_are_counted_without_being_walked() {
    let twice = |n: usize| {
        format!(
            "fragment F{n} on Q {{ ...F{next} ...F{next} }}",
            next = n + 1
        )
    };
    let fragments: Vec<_> = (0..40).map(twice).collect();
    let bomb = format!(
        "{{ ...F0 }} fragment F40 on Q {{ x }} {}",
        fragments.join(" ")
    );
    assert!(refusal(&bomb).contains("fields"));
    let unused = bomb.replacen("{ ...F0 }", "{ x }", 1);
    assert!(refusal(&unused).contains("fields"));
}

#[test]
fn fragments_that_spread_themselves_are_refused() {
    assert!(refusal("{ ...A } fragment A on Q { ...A }").contains("spreads itself"));
    assert!(
        refusal("{ x } fragment A on Q { a { ...B } } fragment B on Q { ...A }")
            .contains("spreads itself")
    );
}

#[test]
fn only_the_operation_that_runs_is_kept() {
    let query = "query One { a ...F } query Two { ...G } fragment F on Q { x } fragment G on Q { ...H } fragment H on Q { y }";
    let document = prepare(query, Some("Two"), &Variables::default()).unwrap();
    let mut fragments: Vec<_> = document.fragments.keys().map(Name::as_str).collect();
    fragments.sort_unstable();
    assert_eq!(
        (document.operations.iter().count(), fragments),
        (1, vec!["G", "H"])
    );
    let unknown = prepare(query, Some("Three"), &Variables::default()).unwrap();
    assert_eq!(
        unknown.operations.iter().count(),
        2,
        "the library says that there is no such operation"
    );
}

/// The argument `x` of the first field, with the variables that have a value put in.
fn argument(query: &str, variables: serde_json::Value) -> Option<async_graphql::Value> {
    let variables = Variables::from_json(variables);
    let document = prepare(query, None, &variables).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
        panic!("a field")
    };
    let value = field.node.get_argument("x")?.node.clone();
    Some(
        value
            .into_const_with(|name| variables.get(&name).cloned().ok_or(name))
            .unwrap(),
    )
}

#[test]
fn a_variable_without_a_value_is_left_out_and_not_null() {
    let query = "mutation ($c: ID!, $d: String, $e: Int = 5) { f(x: {c: $c, d: $d, deep: {d: $d}, list: [$d, 1]}) }";
    let absent = argument(query, serde_json::json!({"c": "1"}));
    assert_eq!(
        absent,
        Some(value!({"c": "1", "deep": {}, "list": [null, 1]}))
    );
    let null = argument(query, serde_json::json!({"c": "1", "d": null}));
    assert_eq!(
        null,
        Some(value!({"c": "1", "d": null, "deep": {"d": null}, "list": [null, 1]}))
    );
    assert_eq!(
        argument("query ($d: Int) { f(x: $d) }", serde_json::json!({})),
        None
    );
}

#[test]
fn long_chains_of_fragments_are_refused() {
    let once = |n: usize| format!("fragment F{n} on Q {{ ...F{} }}", n + 1);
    let fragments: Vec<_> = (0..2_000).map(once).collect();
    let chain = format!("{{ ...F0 }} {}", fragments.join(" "));
    assert!(refusal(&chain).contains("fragments"));
}
