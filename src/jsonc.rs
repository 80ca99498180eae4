//! JSON with comments and trailing commas, and nothing else that some readers let pass: what VS Code, Zed, Gemini CLI and OpenCode
//! understand in their files, and what a file of rules may be written in.

use jsonc_parser::ParseOptions;

/// The one dialect that is read and written.
pub const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
};
