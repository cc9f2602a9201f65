//! What can be said on the command line. Every option has a `DEMUR_*` variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// An errors-first API gateway: every refusal and every failure in the API's own error contract.
#[derive(Debug, Parser)]
#[command(name = "demur", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// How results are printed: human, json.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, env = "DEMUR_FORMAT")]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 100)]
    pub(crate) format: Format,
    /// When to use colours: auto, always, never. NO_COLOR is respected.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, env = "DEMUR_COLOR")]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 101)]
    pub(crate) color: Color,
    /// Only say what is asked for, and what goes wrong.
    #[arg(long, short, global = true, env = "DEMUR_QUIET", help_heading = GLOBAL, display_order = 102)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const GLOBAL: &str = "Global options";
const AFTER_HELP: &str = "Begin with `demur demo`: five example APIs behind one gateway, nothing to install.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
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
pub(crate) enum Verb {
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
    Generate(GenerateVerb),
    /// Makes, lists and revokes API keys.
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Makes, lists and changes accounts.
    #[command(subcommand)]
    Accounts(AccountsVerb),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080", env = "DEMUR_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Where the demo keeps its files: its configuration, the documents and the database. A new folder
    /// that is removed at the end, where none is given.
    #[arg(long, env = "DEMUR_FOLDER", value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file.
    #[arg(long, short, default_value = "demur.yaml", env = "DEMUR_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Where to listen, instead of the address in the file.
    #[arg(long, env = "DEMUR_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
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
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateVerb {
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
    /// The configuration file that names the store.
    #[arg(long, short, default_value = "demur.yaml", env = "DEMUR_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Makes a key and shows its secret, this once.
    Create(CreateKeyArgs),
    /// Lists keys, without their secrets.
    List {
        #[command(flatten)]
        store: StoreArgs,
        /// Only those of this account.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// Revokes a key, for good and at once.
    Revoke {
        #[command(flatten)]
        store: StoreArgs,
        /// The key's id, as `demur keys list` shows it.
        #[arg(value_name = "ID")]
        key: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The API that the key opens, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) api: String,
    /// The account that it belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) account: String,
    /// When it expires: a date and time as in RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<jiff::Timestamp>,
    /// An operation that it covers; all of them where none is given. May be repeated.
    #[arg(long = "operation", value_name = "ID")]
    pub(crate) operations: Vec<String>,
    /// A resource that it covers; all of them where none is given. May be repeated.
    #[arg(long = "resource", value_name = "NAME")]
    pub(crate) resources: Vec<String>,
    /// A scope that it has. May be repeated.
    #[arg(long = "scope", value_name = "NAME")]
    pub(crate) scopes: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsVerb {
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
    TopUp {
        #[command(flatten)]
        store: StoreArgs,
        /// The account's id.
        #[arg(value_name = "ID")]
        account: String,
        /// How many.
        #[arg(value_name = "CREDITS")]
        amount: u64,
        /// Why, for the statement.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}
