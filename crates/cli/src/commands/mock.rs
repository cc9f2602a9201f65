//! `demur mock`: the gateway of a configuration without its upstreams, with every error on demand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use demur_admission::{AccountId, Command, Grants, Plan, Reply};
use demur_engine::Api;
use demur_gateway::{Config, Listener, LogTarget, Pages, StoreUrl};
use demur_matrix::Matrix;
use demur_mock::{Checks, Control, Mocked, Script, Servers};
use demur_source::Source;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::args::MockArgs;
use crate::exit::{CommandFailure, Exit, cannot_read};
use crate::output::{Output, counted};
use crate::progress::Progress;
use crate::serving::{OpenStore, Running, load};
use crate::signals::Ignored;
use crate::{log, pages};

pub(crate) fn run(args: &MockArgs, output: &Output) -> Result<Exit, CommandFailure> {
    let signals = Ignored::listen()?.and_end()?;
    let script = script(args)?;
    let config = load(&args.config, output)?;
    let folder = tempfile::Builder::new().prefix("demur-mock-").tempdir();
    let folder = folder.map_err(|error| unavailable("cannot create a temporary folder", &error))?;
    let servers = Servers::bind(args.control).map_err(|error| {
        let help = "use a free address: `--control ADDRESS`".to_owned();
        CommandFailure::unavailable(format!("cannot listen on {}: {error}", args.control), help)
    })?;
    let addresses = servers.upstream().and_then(|upstream| Ok((upstream, servers.control()?)));
    let (upstream, control) = addresses.map_err(|error| unavailable("cannot listen", &error))?;

    let mocked = Mocked::new(config);
    let matrix = matrix(&mocked, output);
    let pages = published(&mocked, output)?;
    let holders: Vec<KeyHolder> = match args.authenticate {
        true => mocked.apis().iter().map(|api| KeyHolder::of(api)).collect(),
        false => Vec::new(),
    };
    let plans = mocked.plans().to_vec();
    let checks = Checks { authenticates: args.authenticate, validates: args.validate };
    let finished = mocked.finish(matrix, checks, script.clone(), upstream);
    let (mut config, mock) = finished.map_err(|error| unavailable("invalid upstream", &error))?;
    own(&mut config, args.listen, folder.path().join("mock.db"));
    config.pages = pages;
    let is_json = log::is_json(output, &config.access_log);
    log::start(output, &mut config.access_log);
    let running = Running::start(config, signals)?;
    check(&mock.unknown_names(mock.apis(), &script))?;

    let keys = keys(running.store(), &holders, &plans)?;
    let url = running.url();
    let apis = mock.apis().iter().map(|api| {
        let base = format!("{url}{}", api.settings().mount.path);
        (api.name().to_owned(), json!({ "base": base, "keys": keys.get(api.name()) }))
    });
    let control = format!("http://{control}");
    let about = json!({ "mock": url, "control": control, "apis": apis.collect::<Map<_, _>>() });
    let served = servers.serve(Control { mock: Arc::clone(&mock), about: about.clone() });
    served.map_err(|error| unavailable("cannot start the control endpoint", &error))?;
    output.result(&human(&about, mock.apis()), &about);
    running.until_interrupted(None, output, is_json);
    Ok(Exit::Ok)
}

fn unavailable(message: &str, error: &impl std::fmt::Display) -> CommandFailure {
    CommandFailure::unavailable(format!("{message}: {error}"), None)
}

fn human(about: &Value, apis: &[Arc<Api>]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("mocking {} on {}", counted(apis.len(), "API"), text(&about["mock"])),
        format!("control endpoint on {}", text(&about["control"])),
    ];
    for api in apis {
        let of_api = &about["apis"][api.name()];
        lines.push(format!("  {}  {}", api.name(), text(&of_api["base"])));
        for (plan, key) in of_api["keys"].as_object().into_iter().flatten() {
            lines.push(format!("    key of the plan `{plan}`: {}", text(key)));
        }
    }
    let error = apis.first().and_then(|api| {
        let entries = api.settings().contract.entries();
        entries.map(|(_, entry)| entry.name.clone()).next()
    });
    if let (Some(api), Some(error)) = (apis.first(), error) {
        let base = text(&about["apis"][api.name()]["base"]);
        lines.push(format!("\nAsk for an error:\n  curl -i -H 'Prefer: code={error}' {base}/"));
    }
    lines.join("\n")
}

fn matrix(mocked: &Mocked, output: &Output) -> Matrix {
    let operations =
        |api: &Arc<Api>| api.settings().document.operations().len() * api.settings().contracts().count();
    let total = mocked.apis().iter().map(operations).sum();
    let progress = Progress::bar(output, "building the matrix", total);
    Matrix::build_with_progress(mocked.apis(), mocked.plans(), |done| progress.advance_to(done))
}

/// The reference pages, if the configuration serves them.
fn published(mocked: &Mocked, output: &Output) -> Result<Pages, CommandFailure> {
    let Some(docs) = mocked.docs().cloned() else { return Ok(Pages::default()) };
    let branding = pages::branding(docs.branding.as_deref(), docs.name)?;
    let site = pages::build(mocked.apis(), mocked.plans(), &branding, output)?;
    Ok(Pages(Some(Box::new(move |_, _| Ok(pages::lookup(site, docs.path))))))
}

/// One listener, an empty store, and no log file: nothing of what the configuration names for production is used.
fn own(config: &mut Config, listen: SocketAddr, store: PathBuf) {
    let name = config.listeners.first().and_then(|listener| listener.name.clone());
    config.listeners = vec![Listener { name, ..Listener::new(listen) }];
    config.store = StoreUrl::Sqlite(store);
    config.journal = None;
    config.operations_listener = None;
    if let LogTarget::File(_) = config.access_log.target {
        config.access_log.target = LogTarget::Stderr;
    }
}

fn script(args: &MockArgs) -> Result<Script, CommandFailure> {
    let mut script = match &args.script {
        Some(path) => {
            let source = Source::read(path)
                .map_err(|error| CommandFailure::unavailable(cannot_read(path, &error), None))?;
            Script::read(&source).map_err(CommandFailure::Configuration)?
        }
        None => Script::default(),
    };
    if let Some(seed) = args.seed {
        script.set_seed(seed);
    }
    for failure in &args.fail {
        script.fail(&failure.error, failure.share);
    }
    if let Some(delay) = args.delay {
        script.set_delay(delay);
    }
    Ok(script)
}

fn check(unknown: &[(String, Option<String>)]) -> Result<(), CommandFailure> {
    let Some((message, similar)) = unknown.first() else { return Ok(()) };
    let help = similar.as_ref().map(|similar| format!("did you mean `{similar}`?"));
    Err(CommandFailure::usage(message.clone(), help))
}

/// Who gets keys of an API: accounts on each active plan, with all scopes.
struct KeyHolder {
    api: String,
    prefix: String,
    scopes: Vec<String>,
}

impl KeyHolder {
    fn of(api: &Api) -> Self {
        let settings = api.settings();
        let scopes = settings.operations.iter().filter_map(|operation| operation.scope.clone());
        let (api, prefix) = (settings.name.clone(), settings.authentication.prefixes.first().to_owned());
        Self { api, prefix, scopes: scopes.collect() }
    }
}

/// Creates an account on each active plan, and a key for each API. Returns the secrets by API and plan.
fn keys(
    store: &OpenStore,
    holders: &[KeyHolder],
    plans: &[Plan],
) -> Result<Map<String, Value>, CommandFailure> {
    let mut by_api = Map::new();
    let plans: Vec<&Plan> = plans.iter().filter(|plan| plan.active).collect();
    let account = |plan: &Plan| -> Option<AccountId> { format!("mock-{}", plan.name).parse().ok() };
    if holders.is_empty() {
        return Ok(by_api);
    }
    for plan in &plans {
        let (name, plan_name) = (plan.name.clone(), plan.name.clone());
        accepted(store.execute(
            Command::CreateAccount { account: account(plan), name, plan: plan_name, grant_day: None },
            Timestamp::now(),
        ))?;
    }
    for holder in holders {
        let mut secrets = Map::new();
        for plan in &plans {
            let Some(account) = account(plan) else { continue };
            let create = Command::CreateKey {
                label: None,
                api: holder.api.clone(),
                prefix: holder.prefix.clone(),
                account,
                expires: None,
                grants: Grants { scopes: holder.scopes.iter().cloned().collect(), ..Grants::default() },
                metadata: Default::default(),
            };
            if let Reply::KeyCreated(issued) = accepted(store.execute(create, Timestamp::now()))? {
                secrets.insert(plan.name.clone(), issued.secret.expose().into());
            }
        }
        by_api.insert(holder.api.clone(), secrets.into());
    }
    Ok(by_api)
}

fn accepted(reply: Reply) -> Result<Reply, CommandFailure> {
    match reply {
        Reply::Rejected { fault } => {
            Err(CommandFailure::unavailable(format!("cannot create the keys of the mock: {fault}"), None))
        }
        reply => Ok(reply),
    }
}
