//! A config's environment variables.

use std::path::Path;

use worker::install::environment;

fn value(entry: &str) -> String {
    let found = environment(&[entry.to_owned()], Path::new("/srv/$INSTALL_DIR")).unwrap();
    found[0].1.clone()
}

#[test]
fn only_the_install_directory_is_expanded_and_that_once() {
    for (entry, expected) in [
        ("A=plain", "plain"),
        ("A=", ""),
        ("A=b=c", "b=c"),
        ("A=$INSTALL_DIR/lib", "/srv/$INSTALL_DIR/lib"),
        ("A=${INSTALL_DIR}lib:$INSTALL_DIR", "/srv/$INSTALL_DIRlib:/srv/$INSTALL_DIR"),
        ("A=$LD_LIBRARY_PATH:$", "$LD_LIBRARY_PATH:$"),
        (
            "A=$INSTALL_DIRS ${INSTALL_DIR $$INSTALL_DIR",
            "$INSTALL_DIRS ${INSTALL_DIR $/srv/$INSTALL_DIR",
        ),
    ] {
        assert_eq!(value(entry), expected, "{entry}");
    }
}

#[test]
fn entries_keep_their_order_so_that_the_last_of_a_name_can_count() {
    let entries = ["A=1", "B=2", "A=3"].map(ToOwned::to_owned);
    let found = environment(&entries, Path::new("/srv")).unwrap();
    let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, [("A", "1"), ("B", "2"), ("A", "3")]);
}

#[test]
fn an_entry_without_a_name_or_a_value_is_refused() {
    for entry in ["NAME", "=value", ""] {
        let error = environment(&[entry.to_owned()], Path::new("/srv")).unwrap_err();
        let expected =
            format!("an environment variable must read KEY=VALUE, but {entry:?} does not");
        assert_eq!(error.to_string(), expected);
    }
}
