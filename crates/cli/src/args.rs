//! The definition of the command line: commands, options, their help and their environment variables.
//! Long because the whole command line is read in one file.
//!
//! Every option can be set by a variable: `DEMUR_` and its name. Options of several commands that share a name but not
//! a meaning get distinct variables with `env`, so that a variable set for one command does not change another. Options
//! that identify a single call have no variable ([`WITHOUT_VARIABLE`]).
//!
//! An option or command that was renamed still works under its old name, is hidden, and prints a warning
//! ([`Args::renamed`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use demur_journal::StatusFilter;

/// An errors-first API gateway: every rejection and failure follows the API's own error contract
#[derive(Debug, Parser)]
#[command(name = "demur", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Print results as: human, json
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Human)]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 100)]
    pub(crate) format: OutputFormat,
    /// Use colors: auto, always, never (auto respects NO_COLOR)
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    #[arg(hide_possible_values = true, help_heading = GLOBAL, display_order = 101)]
    pub(crate) color: Color,
    /// Print only results, warnings and errors
    #[arg(long, short, global = true, help_heading = GLOBAL, display_order = 102)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

impl Args {
    /// Parses the command line, then the environment. Exits the process for `--help`, `--version` and usage errors.
    pub(crate) fn from_process() -> Self {
        let matches = with_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The old and the new spelling of each renamed option or command that was used.
    pub(crate) fn renamed(&self) -> Vec<(&'static str, &'static str)> {
        match &self.command {
            CliCommand::Generate(GenerateCommand::Rust { into: Some(_), .. }) => vec![("--into", "--output")],
            CliCommand::Generate(GenerateCommand::Rust { output: None, .. })
                if old_output_variable().is_some() =>
            {
                vec![("DEMUR_INTO", "DEMUR_OUTPUT")]
            }
            CliCommand::Keys(KeysCommand::NewPepper { .. }) => vec![("new-pepper", "rotate-pepper")],
            CliCommand::Accounts(AccountsCommand::TopUp(args) | AccountsCommand::Withdraw(args))
                if args.operation.is_some() =>
            {
                vec![("--operation", "--idempotency-key")]
            }
            _ => Vec::new(),
        }
    }
}

/// Options without a variable, by their IDs in `Args`. An idempotency key left in the environment would turn every
/// later booking into a repetition of the first. A renamed option has its variable under the new name.
const WITHOUT_VARIABLE: [&str; 3] = ["idempotency_key", "booking_operation", "into"];

/// Assigns each option its variable.
fn with_variables(command: Command) -> Command {
    let command = command.mut_args(|argument| match argument.get_long() {
        Some(name) if argument.get_env().is_none() && !is_without_variable(&argument) => {
            let variable = format!("DEMUR_{}", name.to_uppercase().replace('-', "_"));
            argument.env(variable)
        }
        _ => argument,
    });
    let names: Vec<String> = command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_variables))
}

fn is_without_variable(argument: &Arg) -> bool {
    WITHOUT_VARIABLE.contains(&argument.get_id().as_str())
}

const GLOBAL: &str = "Global options";
const AFTER_HELP: &str = "Start with `demur demo`: five example APIs behind one gateway, nothing to install.";

const AFTER_MOCK: &str = "A request asks for an error with `Prefer: code=NAME` or `Prefer: status=429`.";

const AFTER_RELOAD: &str = "The gateway is found by the store in the configuration file. It reloads the file that it was started with.";

const AFTER_SHOW_KEY: &str = "To find the key of a secret: `demur keys show - < FILE`. A secret is never an argument, since other users \
    can see the arguments of a process.";
const AFTER_DELETE: &str = "The ledger and the statement of the account stay. Its ID cannot be used again.";
const AFTER_ROTATE: &str =
    "If you rotate a key twice, only the latest old secret works during the grace period.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Text for people
    Human,
    /// JSON for programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Start five example APIs and a gateway in front of them
    Demo(DemoArgs),
    /// Serve the APIs of a configuration file
    Serve(ServeArgs),
    /// Make the running gateway reload its configuration, and print what has changed
    #[command(after_help = AFTER_RELOAD)]
    Reload(StoreArgs),
    /// Check a configuration file or a contract, and every file it refers to
    Check(CheckArgs),
    /// Show every error of every operation, with its causes and its exact response
    Matrix(MatrixArgs),
    /// Explain what happened to a request, or what an error means
    Explain(ExplainArgs),
    /// Follow the journal: requests as they are rejected or fail
    Tail(TailArgs),
    /// Serve the console on this machine: rejections as they come, requests explained, accounts
    Console(ConsoleArgs),
    /// Build or serve the reference pages
    #[command(subcommand)]
    Docs(DocsCommand),
    /// Write the OpenAPI document of an API with exactly its errors
    Openapi(OpenApiArgs),
    /// Mock the APIs of a configuration: successes from their documents, and every error on demand
    Mock(MockArgs),
    /// Write a first contract with comments that explain each line, and a configuration that uses it
    Init(InitArgs),
    /// Print the JSON Schema of a contract or configuration file, for editors
    Schema(SchemaArgs),
    /// Generate code from a contract
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Manage API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Manage accounts, credits and the ledger
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Manage the tokens of the admin API, and read its audit log
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Create the accounts of a file that do not exist, and set the plans of those that do
    Apply(ApplyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Address the gateway listens on
    #[arg(long, env = "DEMUR_DEMO_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    #[arg(value_parser = parse_address)]
    pub(crate) listen: SocketAddr,
    /// Folder for the configuration, documents and database [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Listen on this address instead of the one in the file; NAME selects one of several listeners
    #[arg(long, value_name = "[NAME=]ADDRESS", value_delimiter = ',', value_parser = parse_listen)]
    pub(crate) listen: Vec<Listen>,
    /// Continue even if the configuration locks out accounts or keys in the store
    #[arg(long)]
    pub(crate) allow_lockout: bool,
}

/// The value of `--listen`: an address, and the name of its listener.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) name: Option<String>,
    pub(crate) address: SocketAddr,
}

fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as `127.0.0.1:8080`")
}

fn parse_listen(text: &str) -> Result<Listen, &'static str> {
    let (name, address) = match text.split_once('=') {
        Some((name, address)) => (Some(name.to_owned()), address),
        None => (None, text),
    };
    Ok(Listen { name, address: parse_address(address)? })
}

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_MOCK)]
pub(crate) struct MockArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Address to listen on
    #[arg(long, env = "DEMUR_MOCK_LISTEN", default_value = "127.0.0.1:4010", value_name = "ADDRESS")]
    #[arg(value_parser = parse_address)]
    pub(crate) listen: SocketAddr,
    /// Address of the control endpoint
    #[arg(long, env = "DEMUR_MOCK_CONTROL", default_value = "127.0.0.1:4011", value_name = "ADDRESS")]
    #[arg(value_parser = parse_address)]
    pub(crate) control: SocketAddr,
    /// Require API keys, and check plans, limits, credits and rules; prints a key of each plan
    #[arg(long)]
    pub(crate) authenticate: bool,
    /// Check requests against the OpenAPI document
    #[arg(long)]
    pub(crate) validate: bool,
    /// Script of errors and faults (YAML or JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// Answer a share of the requests, from 0 to 1, with an error
    #[arg(long, value_name = "ERROR=SHARE", value_delimiter = ',', value_parser = parse_failure)]
    pub(crate) fail: Vec<Failure>,
    /// Seed of the random numbers for shares and probabilities
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Delay every response by this, such as `200ms`
    #[arg(long, value_name = "DURATION", value_parser = parse_delay)]
    pub(crate) delay: Option<Duration>,
}

/// The value of `--fail`.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) share: f64,
}

fn parse_failure(text: &str) -> Result<Failure, &'static str> {
    let parsed = text.split_once('=').and_then(|(error, share)| {
        let share: f64 = share.parse().ok()?;
        (0.0..=1.0).contains(&share).then(|| Failure { error: error.to_owned(), share })
    });
    parsed.ok_or("expected an error and a share from 0 to 1, such as `rate_limited=0.1`")
}

fn parse_delay(text: &str) -> Result<Duration, &'static str> {
    let delay = demur_config::duration(text).filter(|delay| *delay <= Duration::from_secs(60));
    delay.ok_or("expected a duration of at most one minute, such as `200ms` or `2s`")
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// File to create; must not exist yet
    #[arg(default_value = "contract.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Draft the contract and the configuration from this OpenAPI document
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Write the reference pages to a folder
    Build {
        #[command(flatten)]
        args: DocsArgs,
        /// Folder to write to; created if it does not exist
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Serve the reference pages until interrupted
    Serve {
        #[command(flatten)]
        args: DocsArgs,
        /// Address to listen on
        #[arg(long, env = "DEMUR_DOCS_LISTEN", default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
        listen: SocketAddr,
    },
}

/// What the pages are made from.
#[derive(Debug, clap::Args)]
pub(crate) struct DocsArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Folder with a logo, a stylesheet, templates and further pages [default: the one in the file]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) branding: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Request ID, header line, error body, output of `curl -i`, or the code of an error [default: standard input]
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only requests of this account
    #[arg(long, env = "DEMUR_TAIL_ACCOUNT", value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Only requests with this key
    #[arg(long, env = "DEMUR_TAIL_KEY", value_name = "ID")]
    pub(crate) key: Option<String>,
    /// Only errors with this code or name
    #[arg(long, env = "DEMUR_TAIL_CODE", value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Only this condition, or the conditions below it, such as `credential`
    #[arg(long, env = "DEMUR_TAIL_CONDITION", value_name = "NAME")]
    pub(crate) condition: Option<String>,
    /// Only requests to this API, by its name in the configuration
    #[arg(long, env = "DEMUR_TAIL_API", value_name = "NAME")]
    pub(crate) api: Option<String>,
    /// Only this operation
    #[arg(long, env = "DEMUR_TAIL_OPERATION", value_name = "ID")]
    pub(crate) operation: Option<String>,
    /// Only this status, or class of statuses: 429, 4xx
    #[arg(long, env = "DEMUR_TAIL_STATUS", value_name = "STATUS", value_parser = parse_status)]
    pub(crate) status: Option<StatusFilter>,
    /// Number of entries to begin with
    #[arg(long, short = 'n', env = "DEMUR_TAIL_LINES", value_name = "COUNT", default_value_t = 10)]
    pub(crate) lines: usize,
    /// Print the entries that are there, and exit
    #[arg(long)]
    pub(crate) no_follow: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// File with `accounts`, each with `id`, `plan` and optionally `name`
    #[arg(long, short, value_name = "FILE", env = "DEMUR_APPLY_FILE")]
    pub(crate) file: PathBuf,
    /// Print the difference, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConsoleArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Address to listen on; an address of this machine only
    #[arg(long, env = "DEMUR_CONSOLE_LISTEN", default_value = "127.0.0.1:8091", value_name = "ADDRESS")]
    #[arg(value_parser = parse_address)]
    pub(crate) listen: SocketAddr,
}

fn parse_status(text: &str) -> Result<StatusFilter, String> {
    text.parse()
}

#[derive(Debug, clap::Args)]
pub(crate) struct OpenApiArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// API, by its name in the configuration; may be left out if there is one
    #[arg(long, env = "DEMUR_OPENAPI_API", value_name = "NAME")]
    pub(crate) api: Option<String>,
    /// Contract version, by the name of its contract [default: the API's default contract]
    #[arg(long, value_name = "NAME")]
    pub(crate) contract: Option<String>,
    /// Whether clients must expect errors that the document does not list: open, closed
    #[arg(long, value_enum, default_value_t = OpenApiUnions::Open, hide_possible_values = true)]
    pub(crate) unions: OpenApiUnions,
    /// Write an OpenAPI Overlay 1.0 instead of a document
    #[arg(long)]
    pub(crate) overlay: bool,
    /// File to write [default: standard output]
    #[arg(long, short, env = "DEMUR_OPENAPI_OUTPUT", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OpenApiUnions {
    /// Clients must expect further errors
    Open,
    /// The listed errors are all
    Closed,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MatrixArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only this API, by its name in the configuration [default: all]
    #[arg(long, env = "DEMUR_ONLY_API", value_name = "NAME")]
    pub(crate) api: Option<String>,
    /// Also write the matrix as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report_json: Option<PathBuf>,
    /// Also write the matrix as an HTML page to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report_html: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// Kind of file
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Error contract
    Contract,
    /// Gateway configuration (`demur.yaml`)
    Configuration,
    /// Output of `demur matrix --format json`
    Matrix,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Configuration file or contract
    #[arg(default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Continue even if the configuration locks out accounts or keys in the store
    #[arg(long)]
    pub(crate) allow_lockout: bool,
    /// Exit with 1 if there are warnings
    #[arg(long, env = "DEMUR_STRICT")]
    pub(crate) strict: bool,
    /// Give old keys their new names in the file, print the difference, and check the result.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print the configuration with all defaults, without secrets, and nothing else
    #[arg(long, conflicts_with = "fix")]
    pub(crate) print_effective: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// Generate typed errors in Rust, for a service that raises them or a client that matches them
    Rust {
        /// Contract: a file, or the name of a built-in contract
        #[arg(value_name = "CONTRACT")]
        contract: String,
        /// Program to generate code for
        #[arg(long = "for", value_enum, value_name = "PROGRAM")]
        side: GenerateSide,
        /// File to write [default: standard output]
        #[arg(long = "output", short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Renamed to `--output`.
        #[arg(long, short, hide = true, value_name = "FILE")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenerateSide {
    /// Service that uses demur-tower
    Service,
    /// Program that uses demur-client
    Client,
}

/// The configuration that names the store.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Configuration file
    #[arg(long, short, default_value = "demur.yaml", value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print its secret once
    Create(CreateKeyArgs),
    /// List keys, without their secrets
    List {
        #[command(flatten)]
        store: StoreArgs,
        /// Only keys of this account
        #[arg(long, env = "DEMUR_LIST_ACCOUNT", value_name = "ID")]
        account: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a key by its ID or its secret: its state, label, account and expiry
    #[command(after_help = AFTER_SHOW_KEY)]
    Show {
        #[command(flatten)]
        store: StoreArgs,
        /// Key ID, or `-` to read a secret from standard input
        #[arg(value_name = "ID", allow_hyphen_values = true)]
        key: String,
    },
    /// Revoke a key permanently, effective immediately
    Revoke(KeyArgs),
    /// Rotate a key and print the new secret once
    #[command(after_help = AFTER_ROTATE)]
    Rotate {
        #[command(flatten)]
        key: KeyArgs,
        /// Time the old secret keeps working; `0` for a leaked key
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        grace: String,
    },
    /// Disable a key until it is enabled again
    Disable(KeyArgs),
    /// Enable a disabled key
    Enable(KeyArgs),
    /// Set when a key expires
    Expire {
        #[command(flatten)]
        key: KeyArgs,
        /// Date and time (RFC 3339), `now` or `never`
        #[arg(long, value_name = "TIME")]
        at: String,
    },
    /// Import keys of another system by their hashes
    Import(ImportKeysArgs),
    /// Create a new pepper for stored secrets; the gateway uses it after its next start
    RotatePepper {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Renamed to `rotate-pepper`.
    #[command(hide = true)]
    NewPepper {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// The key that a command changes.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Key ID, as printed by `demur keys list`
    #[arg(value_name = "ID")]
    pub(crate) key: String,
}

/// A page of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// Start after this ID
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// Maximum number of rows
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub(crate) limit: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportKeysArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// API the key is for, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) api: String,
    /// Hash algorithm the other system applied to the whole key
    #[arg(long, value_enum)]
    pub(crate) hash: HashKind,
    /// Name under which Demur stores the HMAC key; required with `hmac-sha256`
    #[arg(long, value_name = "NAME", required_if_eq("hash", "hmac-sha256"))]
    pub(crate) hash_key: Option<String>,
    /// File with the HMAC key in hexadecimal; omit it if the key is already stored
    #[arg(long, value_name = "FILE", requires = "hash_key")]
    pub(crate) hash_key_file: Option<PathBuf>,
    /// Prefix of the keys
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) prefix: String,
    /// Length of the keys in bytes, including the prefix, such as `40` or `32-64`
    #[arg(long, value_name = "LENGTH")]
    pub(crate) length: String,
    /// File with one JSON object per line: `account`, `hash` (hexadecimal), optionally `expires`, `grants`, `metadata`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HashKind {
    /// SHA-256
    Sha256,
    /// HMAC-SHA-256
    HmacSha256,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// API the key is for, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) api: String,
    /// Environment of the key, if the API has environments
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Account the key belongs to
    #[arg(long, value_name = "ID")]
    pub(crate) account: String,
    /// Date and time the key expires (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<jiff::Timestamp>,
    /// Operation the key may call; repeatable [default: all]
    #[arg(long = "operation", env = "DEMUR_KEY_OPERATION", value_name = "ID")]
    pub(crate) operations: Vec<String>,
    /// Resource the key may access; repeatable [default: all]
    #[arg(long = "resource", value_name = "NAME")]
    pub(crate) resources: Vec<String>,
    /// Scope of the key; repeatable
    #[arg(long = "scope", value_name = "NAME")]
    pub(crate) scopes: Vec<String>,
    /// Client address or network the key may be used from; repeatable [default: all]
    #[arg(long = "allow-address", value_name = "NETWORK")]
    pub(crate) allowed_addresses: Vec<String>,
    /// Client address or network the key may not be used from; repeatable
    #[arg(long = "deny-address", value_name = "NETWORK")]
    pub(crate) denied_addresses: Vec<String>,
    /// Metadata that rules read as `key.metadata`; repeatable
    #[arg(long = "metadata", value_name = "NAME=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// What the key is for, shown by `demur keys list`
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Create an account
    Create {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID [default: generated]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// Display name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Plan, by its name in the configuration; only a configuration without plans needs none
        #[arg(long, value_name = "PLAN")]
        plan: Option<String>,
        /// Day of the month on which its credits are granted, 1 to 31 [default: that of the plan]
        #[arg(long, value_name = "DAY", value_parser = clap::value_parser!(u8).range(1..=31))]
        grant_day: Option<u8>,
    },
    /// List accounts
    List {
        #[command(flatten)]
        store: StoreArgs,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show an account with its plan, its credits and what is left of its limits
    Show {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
    },
    /// Delete an account permanently: revoke its keys and delete its stored responses
    #[command(after_help = AFTER_DELETE)]
    Delete {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
        /// Revoke keys that are not revoked yet
        #[arg(long)]
        revoke_keys: bool,
    },
    /// Change the plan of an account, effective immediately
    SetPlan {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
        /// Plan, by its name in the configuration
        #[arg(value_name = "PLAN")]
        plan: String,
    },
    /// Change the day on which an account's credits are granted, effective when its current month ends
    SetGrantDay {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
        /// Day of the month, 1 to 31 [default: that of the plan]
        #[arg(value_name = "DAY", value_parser = clap::value_parser!(u8).range(1..=31))]
        day: Option<u8>,
    },
    /// Add credits that do not expire
    TopUp(BookingArgs),
    /// Remove credits that were added by mistake
    Withdraw(BookingArgs),
    /// Refund the credits of an operation; an operation can be refunded only once
    Refund {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
        /// Operation ID, as printed by `demur accounts statement`
        #[arg(value_name = "OPERATION")]
        operation: String,
        /// Number of credits to refund [default: all]
        #[arg(long, value_name = "CREDITS")]
        amount: Option<u64>,
        /// Reason, shown in the statement
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// List the credit history of an account, latest first
    Statement {
        #[command(flatten)]
        store: StoreArgs,
        /// Account ID
        #[arg(value_name = "ID")]
        account: String,
        /// Only entries from this date and time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
        /// Maximum number of entries
        #[arg(long, env = "DEMUR_STATEMENT_LIMIT", default_value_t = 100, value_name = "COUNT")]
        limit: u32,
    },
    /// Verify that the ledger is consistent; the gateway may be running
    Verify {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Back up the database, without the pepper; the gateway may be running
    Backup {
        #[command(flatten)]
        store: StoreArgs,
        /// File to create; must not exist yet
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Delete operations that ended before a date; balances do not change
    Prune {
        #[command(flatten)]
        store: StoreArgs,
        /// Date and time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        before: jiff::Timestamp,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Manage the tokens of the admin API
    #[command(subcommand)]
    Token(TokenCommand),
    /// List the audit log, newest entries first
    Audit {
        #[command(flatten)]
        store: StoreArgs,
        /// Only entries before the one with this number
        #[arg(long, env = "DEMUR_AUDIT_BEFORE", value_name = "NUMBER")]
        before: Option<i64>,
        /// Maximum number of entries
        #[arg(long, env = "DEMUR_AUDIT_LIMIT", default_value_t = 100, value_name = "COUNT")]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Create a token and print it once
    Create {
        #[command(flatten)]
        store: StoreArgs,
        /// What the token is for, or whose it is; shown in the audit log
        #[arg(long, env = "DEMUR_TOKEN_NAME", value_name = "NAME")]
        name: String,
        /// What the token may do: viewer, support, operator
        #[arg(long, value_name = "ROLE")]
        role: demur_admin::Role,
        /// Time until the token expires
        #[arg(long, default_value = "90d", value_name = "DURATION")]
        expires_in: String,
    },
    /// List tokens, without their secrets
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Revoke a token permanently, effective immediately
    Revoke {
        #[command(flatten)]
        store: StoreArgs,
        /// Token ID, as printed by `demur admin token list`
        #[arg(value_name = "ID")]
        token: String,
    },
}

/// Credits that an operator adds or removes.
#[derive(Debug, clap::Args)]
pub(crate) struct BookingArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Account ID
    #[arg(value_name = "ID")]
    pub(crate) account: String,
    /// Number of credits
    #[arg(value_name = "CREDITS")]
    pub(crate) amount: u64,
    /// Reason, shown in the statement
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Idempotency key: repeating the call with the same key has no effect
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Renamed to `--idempotency-key`.
    #[arg(id = "booking_operation", long = "operation", hide = true, value_name = "ID")]
    pub(crate) operation: Option<String>,
}

/// The value of the variable that was renamed to `DEMUR_OUTPUT`.
pub(crate) fn old_output_variable() -> Option<PathBuf> {
    std::env::var_os("DEMUR_INTO").filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option of any command.
    struct KnownOption {
        command: String,
        variable: Option<String>,
        is_without: bool,
        /// Help, value name, number of values and defaults: equal for options with the same meaning.
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
        own.chain(command.get_subcommands().flat_map(|child| options(child, &path))).collect()
    }

    /// As clap resolves them: global options are on every command.
    fn all() -> Vec<KnownOption> {
        let mut command = with_variables(Args::command());
        command.build();
        options(&command, "")
    }

    #[test]
    fn every_option_has_a_variable_unless_listed() {
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

    /// Variables that are not read by an option.
    const OTHERS: [&str; 1] = ["DEMUR_LOG"];

    #[test]
    fn variables_have_one_meaning() {
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
