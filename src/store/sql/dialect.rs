//! In what the statements of the two databases differ, and nothing else.

/// A database's way with statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "where one of the stores is left out, nobody names its database")
)]
pub(in crate::store) enum Dialect {
    /// SQLite: one writer at a time, so it needs no row locks.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// A statement as the database wants it.
    ///
    /// * `{lock}` locks the rows of a query for writing, `{skip}` passes over those that others have
    ///   locked, `{share}` keeps them as they are (`FOR UPDATE`, `FOR UPDATE SKIP LOCKED` and
    ///   `FOR SHARE`; SQLite locks as a whole); `{lock q}` and `{skip q}` lock those of one table;
    /// * `{rows $1: name type, …}` makes rows of the argument, a JSON array of arrays; their number,
    ///   counted from 0, is the column `n`. Types are `text` and `bigint`. A table is found by them
    ///   in `FROM {rows …} r CROSS JOIN … WHERE …`: SQLite keeps to the order of a `CROSS JOIN`, and
    ///   would else look at the rows once for each row of the table.
    /// * `{pairs $1}` makes rows with the columns `name` and `text` of the argument, a JSON object of
    ///   texts: of long texts this costs less, because SQLite reads them once.
    /// * `{first …}` joins to each row of `k` the first entries of the stream `k.stream_no`, as `e`:
    ///   what is in it is a condition, an order and a limit, where an entry is `h`.
    pub(in crate::store) fn adapt(self, statement: &str) -> String {
        let mut adapted = String::with_capacity(statement.len());
        let mut rest = statement;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = split_closing(after);
            adapted.push_str(before);
            adapted.push_str(&self.in_braces(&self.adapt(inside)));
            rest = after;
        }
        adapted.push_str(rest);
        adapted
    }

    fn in_braces(self, inside: &str) -> String {
        let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
        let of = |lock: &str, after: &str| match (self, rest) {
            (Self::Sqlite, _) => String::new(),
            (Self::Postgres, "") => format!("{lock}{after}"),
            (Self::Postgres, table) => format!("{lock} OF {table}{after}"),
        };
        match word {
            "rows" => self.json_rows(rest),
            "pairs" => self.json_pairs(rest),
            "first" => self.first_entries(rest),
            "lock" => of("FOR UPDATE", ""),
            "share" => of("FOR SHARE", ""),
            "skip" => of("FOR UPDATE", " SKIP LOCKED"),
            _ => String::new(),
        }
    }

    fn first_entries(self, which: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "CROSS JOIN ssf_entries e ON e.seq IN \
                 (SELECT h.seq FROM ssf_entries h WHERE h.stream_no = k.stream_no AND {which})"
            ),
            Self::Postgres => format!(
                "CROSS JOIN LATERAL \
                 (SELECT h.* FROM ssf_entries h WHERE h.stream_no = k.stream_no AND {which}) e"
            ),
        }
    }

    fn json_pairs(self, argument: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("(SELECT e.key AS name, e.value AS text FROM json_each({argument}) e)")
            }
            Self::Postgres => format!(
                "(SELECT e.key AS name, e.value AS text FROM jsonb_each_text({argument}::jsonb) e)"
            ),
        }
    }

    fn json_rows(self, rows: &str) -> String {
        let (argument, columns) = rows.split_once(':').unwrap_or((rows, ""));
        let columns = columns.split(',').enumerate().map(|(at, column)| {
            let (name, sql_type) = column.trim().split_once(' ').unwrap_or((column.trim(), "text"));
            match self {
                Self::Sqlite => format!("e.value ->> {at} AS {name}"),
                Self::Postgres => format!("(e.value ->> {at})::{sql_type} AS {name}"),
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite => format!("(SELECT {columns}, e.key AS n FROM json_each({argument}) e)"),
            Self::Postgres => format!(
                "(SELECT {columns}, e.n - 1 AS n FROM jsonb_array_elements({argument}::jsonb) \
                 WITH ORDINALITY AS e (value, n))"
            ),
        }
    }
}

/// What stands before the brace that closes, and after it.
fn split_closing(text: &str) -> (&str, &str) {
    let mut open = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => open += 1,
            '}' if open == 0 => return (&text[..at], &text[at + 1..]),
            '}' => open -= 1,
            _ => {}
        }
    }
    (text, "")
}
