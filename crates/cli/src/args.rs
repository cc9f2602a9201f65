//! What can be said on the command line.
//!
//! An option has a variable: `DEMUR_` and its name. Where options of several commands have one name and different
//! meanings, `env` gives them variables of their own: a variable that is set for one command must not change what
//! another one does. An option that names a single act has none at all ([`WITHOUT_VARIABLE`]).

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// An errors-first API gateway: every refusal and every failure in the API's own error contract.
#[derive(Debug, Parser)]
#[command(name = "demur", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How results are printed: human, json.
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Human)]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 100)]
    pub(crate) format: OutputFormat,
    /// When to use colours: auto, always, never. NO_COLOR is respected.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 101)]
    pub(crate) color: Color,
    /// Only say what is asked for, and what goes wrong.
    #[arg(long, short, global = true, help_heading = GLOBAL, display_order = 102)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) verb: CliCommand,
}

impl Args {
    /// From the command line, then the environment. Ends the process where that asks for help or makes no sense.
    pub(crate) fn from_process() -> Self {
        let matches = with_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Options that must be given on the command line, by their names in `Args`. The id of a booking makes a repetition
/// harmless: left in the environment it would turn every later booking into one.
const WITHOUT_VARIABLE: [&str; 1] = ["booking_operation"];

/// Gives every option its variable.
fn with_variables(command: Command) -> Command {
    let command = command.mut_args(|argument| match argument.get_long() {
        Some(name) if argument.get_env().is_none() && !is_without_variable(&argument) => {
            let variable = format!("DEMUR_{}", name.to_uppercase().replace('-', "_"));
            argument.env(variable)
        }
        _ => argument,
    });
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    verbs.into_iter().fold(command, |command, verb| command.mut_subcommand(verb, with_variables))
}

fn is_without_variable(argument: &Arg) -> bool {
    WITHOUT_VARIABLE.contains(&argument.get_id().as_str())
}

const GLOBAL: &str = "Global options";
const AFTER_HELP: &str = "Begin with `demur demo`: five example APIs behind one gateway, nothing to install.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Starts five example APIs and a gateway in front of them.
    Demo(DemoArgs),
    /// Serves the APIs of a configuration file.
    Serve(ServeArgs),
    /// Checks a configuration file, or a contract, and everything that it names.
    Check(CheckArgs),
    /// Writes a first contract, with what each of its lines is for.
    Init(InitArgs),
    /// Prints the JSON Schema of a file, for editors.
    Schema(SchemaArgs),
    /// Writes code out of a contract.
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Makes, lists, changes and revokes API keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Makes, lists and changes accounts; their credits, and the books.
    #[command(subcommand)]
    Accounts(AccountsCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where the gateway listens.
    #[arg(long, env = "DEMUR_DEMO_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Where the demo keeps its files: its configuration, the documents and the database. A new folder
    /// that is removed at the end, where none is given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file.
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Where to listen, instead of the address in the file; of several listeners that of one.
    #[arg(long, value_name = "[NAME=]ADDRESS", value_delimiter = ',', value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
    /// Go on although the configuration locks out accounts or keys of the store.
    #[arg(long)]
    pub(crate) allow_lockout: bool,
}

/// An address, and which listener it is for.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) name: Option<String>,
    pub(crate) address: SocketAddr,
}

fn listen(text: &str) -> Result<Listen, AddrParseError> {
    let (name, address) = match text.split_once('=') {
        Some((name, address)) => (Some(name.to_owned()), address),
        None => (None, text),
    };
    Ok(Listen { name, address: address.parse()? })
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The file, which must not be there yet.
    #[arg(default_value = "contract.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// Of which file.
    #[arg(value_enum, value_name = "FILE")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// An error contract.
    Contract,
    /// A `demur.yaml`.
    Configuration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// A configuration file or a contract.
    #[arg(default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Go on although the configuration locks out accounts or keys of the store.
    #[arg(long)]
    pub(crate) allow_lockout: bool,
    /// Rewrite a configuration of version 1 in place, print the difference, and check the result.
    #[arg(long)]
    pub(crate) fix: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// Typed errors in Rust: to be raised by a service, or matched by a client.
    Rust {
        /// A contract: a file, or the name of one that is built in.
        #[arg(value_name = "CONTRACT")]
        contract: String,
        /// For whom.
        #[arg(long = "for", value_enum, value_name = "SIDE")]
        side: GenerateSide,
        /// The file to write; standard output where none is given.
        #[arg(long, short, value_name = "FILE")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenerateSide {
    /// Handlers behind demur-tower.
    Service,
    /// Callers with demur-client.
    Client,
}

/// Where the accounts and keys are.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// The configuration file.
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key and shows its secret, this once.
    Create(CreateKeyArgs),
    /// Lists keys, without their secrets.
    List {
        #[command(flatten)]
        store: StoreArgs,
        /// Only those of this account.
        #[arg(long, env = "DEMUR_LIST_ACCOUNT", value_name = "ID")]
        account: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Revokes a key, for good and at once.
    Revoke(KeyArgs),
    /// Makes another secret for a key and shows it, this once. The old one opens for a while still; one that is older
    /// than that, from an earlier rotation, is closed at once.
    Rotate {
        #[command(flatten)]
        key: KeyArgs,
        /// For how long the old secret opens: `24h`; `0` closes it at once, for a key that has leaked.
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        grace: String,
    },
    /// Puts a key out of use until it is enabled again.
    Disable(KeyArgs),
    /// Puts a key that was disabled back into use.
    Enable(KeyArgs),
    /// Says when a key expires.
    Expire {
        #[command(flatten)]
        key: KeyArgs,
        /// A date and time as in RFC 3339; `never`, or `now`.
        #[arg(long, value_name = "TIME")]
        at: String,
    },
    /// Takes over keys of another system by their hashes.
    Import(ImportKeysArgs),
    /// Makes another pepper, under which secrets are stored from the next start on.
    NewPepper {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// One key.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The key's id, as `demur keys list` shows it.
    #[arg(value_name = "ID")]
    pub(crate) key: String,
}

/// A part of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// Those after this one.
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// So many at most.
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub(crate) limit: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportKeysArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The API that the key opens, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) api: String,
    /// How the other system hashed the whole key.
    #[arg(long, value_enum)]
    pub(crate) hash: HashKind,
    /// The name of the key of an HMAC.
    #[arg(long, value_name = "NAME", required_if_eq("hash", "hmac-sha256"))]
    pub(crate) hash_key: Option<String>,
    /// A file with that key in hexadecimal digits, where it was not imported before.
    #[arg(long, value_name = "FILE", requires = "hash_key")]
    pub(crate) hash_key_file: Option<PathBuf>,
    /// With what the keys begin.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) prefix: String,
    /// How many bytes the keys have, the prefix included: `40`, or `32-64`.
    #[arg(long, value_name = "LENGTH")]
    pub(crate) length: String,
    /// A file with one JSON object a line: `account` and `hash` (hexadecimal digits), and if need be
    /// `expires`, `grants` and `metadata`.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HashKind {
    /// SHA-256.
    Sha256,
    /// HMAC-SHA-256.
    HmacSha256,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The API that the key opens, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) api: String,
    /// The environment, where the API has some.
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// The account that it belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) account: String,
    /// When it expires: a date and time as in RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<jiff::Timestamp>,
    /// An operation that it covers; all of them where none is given. May be repeated.
    #[arg(long = "operation", env = "DEMUR_KEY_OPERATION", value_name = "ID")]
    pub(crate) operations: Vec<String>,
    /// A resource that it covers; all of them where none is given. May be repeated.
    #[arg(long = "resource", value_name = "NAME")]
    pub(crate) resources: Vec<String>,
    /// A scope that it has. May be repeated.
    #[arg(long = "scope", value_name = "NAME")]
    pub(crate) scopes: Vec<String>,
    /// What rules can read of it as `key.metadata`: `NAME=VALUE`. May be repeated.
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Makes an account.
    Create {
        #[command(flatten)]
        store: StoreArgs,
        /// Its id; a new one where none is given.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Its name, for people.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Its plan, by its name in the configuration.
        #[arg(long, value_name = "PLAN")]
        plan: String,
    },
    /// Lists accounts.
    List {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Shows an account with its plan and credits.
    Show {
        #[command(flatten)]
        store: StoreArgs,
        /// The account's id.
        #[arg(value_name = "ID")]
        account: String,
    },
    /// Puts an account on another plan, at once.
    SetPlan {
        #[command(flatten)]
        store: StoreArgs,
        /// The account's id.
        #[arg(value_name = "ID")]
        account: String,
        /// The plan's name in the configuration.
        #[arg(value_name = "PLAN")]
        plan: String,
    },
    /// Adds credits that do not expire.
    TopUp(BookingArgs),
    /// Takes away credits that should not have come in.
    Withdraw(BookingArgs),
    /// Gives back what an operation was charged, once.
    Refund {
        #[command(flatten)]
        store: StoreArgs,
        /// The account's id.
        #[arg(value_name = "ID")]
        account: String,
        /// The operation, as `demur accounts statement` shows it.
        #[arg(value_name = "OPERATION")]
        operation: String,
        /// How many credits; all of them where it is not given.
        #[arg(long, value_name = "CREDITS")]
        amount: Option<u64>,
        /// Why, for the statement.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Shows what happened to an account's credits, latest first.
    Statement {
        #[command(flatten)]
        store: StoreArgs,
        /// The account's id.
        #[arg(value_name = "ID")]
        account: String,
        /// From this date and time on.
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
        /// So many entries at most.
        #[arg(long, env = "DEMUR_STATEMENT_LIMIT", default_value_t = 100, value_name = "COUNT")]
        limit: u32,
    },
    /// Proves that the books add up, while the gateway runs.
    Verify {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Writes a copy of the database as it is now, while the gateway runs. Without the pepper, which is to
    /// be kept elsewhere.
    Backup {
        #[command(flatten)]
        store: StoreArgs,
        /// Where to; there must be nothing yet.
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Forgets operations that ended before a moment. Balances stay as they are.
    Prune {
        #[command(flatten)]
        store: StoreArgs,
        /// Before this date and time.
        #[arg(long, value_name = "TIME")]
        before: jiff::Timestamp,
    },
}

/// Credits that come in or go out by an operator's word.
#[derive(Debug, clap::Args)]
pub(crate) struct BookingArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The account's id.
    #[arg(value_name = "ID")]
    pub(crate) account: String,
    /// How many.
    #[arg(value_name = "CREDITS")]
    pub(crate) amount: u64,
    /// Why, for the statement.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// An id that makes a repetition harmless. It has no environment variable.
    #[arg(id = "booking_operation", long = "operation", value_name = "ID")]
    pub(crate) operation: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option somewhere in the tree of commands.
    struct KnownOption {
        command: String,
        variable: Option<String>,
        is_without: bool,
        /// What it means: two options that mean the same say the same, and take the same.
        meaning: (String, String, Option<(usize, usize)>, Vec<String>),
        name: String,
    }

    fn options(command: &Command, path: &str) -> Vec<KnownOption> {
        let path = format!("{path} {}", command.get_name());
        let own = command.get_arguments().filter_map(|argument| {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let taken = argument.get_num_args().map(|range| (range.min_values(), range.max_values()));
            let values = argument.get_default_values().iter();
            Some(KnownOption {
                command: path.clone(),
                variable: argument.get_env().map(|variable| variable.to_string_lossy().into_owned()),
                is_without: is_without_variable(argument),
                meaning: (
                    help,
                    format!("{:?}", argument.get_value_names()),
                    taken,
                    values.map(|value| value.to_string_lossy().into_owned()).collect(),
                ),
                name: argument.get_long()?.to_owned(),
            })
        });
        own.chain(command.get_subcommands().flat_map(|verb| options(verb, &path))).collect()
    }

    /// As clap sees them when it reads a command line: global options are at every command.
    fn all() -> Vec<KnownOption> {
        let mut command = with_variables(Args::command());
        command.build();
        options(&command, "")
    }

    #[test]
    fn every_option_has_a_variable_or_is_named_as_one_that_must_not() {
        let options = all();
        assert!(options.len() > 40);
        for KnownOption { command, variable, is_without, name, .. } in options {
            match name.as_str() {
                "help" | "version" => {}
                _ if is_without => assert_eq!(variable, None, "{command} --{name}"),
                _ => assert!(
                    variable.is_some_and(|variable| variable.starts_with("DEMUR_")),
                    "{command} --{name}"
                ),
            }
        }
    }

    /// Read elsewhere, and not by an option.
    const OTHERS: [&str; 1] = ["DEMUR_LOG"];

    #[test]
    fn no_variable_has_two_meanings() {
        let mut meanings = std::collections::BTreeMap::new();
        for KnownOption { command, variable, meaning, name, .. } in all() {
            let Some(variable) = variable else { continue };
            assert!(!OTHERS.contains(&variable.as_str()), "{command} --{name}");
            let (first, at) =
                meanings.entry(variable.clone()).or_insert_with(|| (meaning.clone(), command.clone()));
            assert_eq!(*first, meaning, "`{variable}` is for `{at}` and for `{command} --{name}`");
        }
    }
}
