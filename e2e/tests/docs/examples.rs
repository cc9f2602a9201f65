//! The examples of a page, run as one session.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;
use tempfile::TempDir;

use crate::pages::{Block, Page};

/// For one command, or for a program to say that it is ready.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a page has a block that is run or written.
pub(crate) fn has_some(page: &Page) -> bool {
    page.split().0.iter().any(|block| block.is("console") || block.file().is_some())
}

/// Runs the examples of a page; says what went wrong.
pub(crate) fn check(page: &Page) -> Result<(), String> {
    Session::start().page(page)
}

/// A folder, a shell in it, and the programs that were started in other terminals.
struct Session {
    folder: TempDir,
    shell: Shell,
    terminals: Vec<Terminal>,
    /// The port that a page names, and the one that it got.
    ports: Vec<(String, String)>,
    /// All output so far, from which `NAME=…` takes its value.
    output: String,
    /// The keys that the page shows, and those that were printed in their places.
    secrets: Vec<(String, String)>,
}

impl Session {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("demur-docs-").tempdir().unwrap();
        let shell = Shell::start(folder.path());
        // All at once, so that no port is given out twice.
        let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let free = sockets.iter().map(|socket| socket.local_addr().unwrap().port().to_string());
        let ports = ["8080", "9000", "8092"].map(str::to_owned).into_iter().zip(free).collect();
        Self { folder, shell, terminals: Vec::new(), ports, output: String::new(), secrets: Vec::new() }
    }

    /// The page that this one continues, then its own blocks.
    fn page(&mut self, page: &Page) -> Result<(), String> {
        let continued = page.text.lines().find_map(|line| line.strip_prefix("<!-- continues "));
        if let Some(name) = continued.and_then(|line| line.strip_suffix(" -->")) {
            self.page(&Page::read(&page.path.with_file_name(name)))?;
        }
        for block in page.split().0 {
            self.block(&block).map_err(|wrong| format!("{}:{}: {wrong}", page.name(), block.line))?;
        }
        Ok(())
    }

    fn block(&mut self, block: &Block<'_>) -> Result<(), String> {
        if let Some(name) = block.file() {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let before = if block.has("append") { fs::read_to_string(&path).unwrap() } else { String::new() };
            fs::write(path, before + &self.placed(&block.text)).unwrap();
            return Ok(());
        }
        if !block.is("console") {
            return Ok(());
        }
        for (command, expected) in commands(&block.text) {
            // `make demo` builds it first, which is done.
            let command = command.replace("make demo", "demur demo --listen 127.0.0.1:8080");
            let command = self.placed(&self.completed(&command)?);
            let expected = masked(&expected);
            if block.has("terminal") {
                // The same command again is a restart.
                self.terminals.retain(|terminal| terminal.command != command);
                let mut terminal = Terminal::start(&command, self.folder.path());
                let output = terminal.await_ready(&expected, &self.ports)?;
                self.secrets.extend(fits(&expected, &masked(&output)).unwrap_or_default());
                self.output.push_str(&output);
                self.terminals.push(terminal);
                continue;
            }
            let (output, code) = self.shell.run(&command)?;
            let output = named(&output, &self.ports);
            self.output.push_str(&output);
            match fits(&expected, &masked(&output)) {
                Some(secrets) if code != 127 => self.secrets.extend(secrets),
                _ => return Err(format!("`{command}` printed\n{output}\nand its page says\n{expected}")),
            }
        }
        Ok(())
    }

    /// With ports that are free, and the keys that were printed.
    fn placed(&self, text: &str) -> String {
        let replaced = self.ports.iter().chain(&self.secrets);
        replaced.fold(text.to_owned(), |text, (named, free)| text.replace(named, free))
    }

    /// `NAME=shop_…` stands for the last word of that beginning which was printed.
    fn completed(&self, command: &str) -> Result<String, String> {
        let assignment = Regex::new(r"^(export )?([A-Z_]+)=(\S*)…$").unwrap();
        let Some(found) = assignment.captures(command) else { return Ok(command.to_owned()) };
        let word = Regex::new(&format!(r"{}[0-9A-Za-z_]+", regex::escape(&found[3]))).unwrap();
        let last = word.find_iter(&self.output).last();
        let last = last.ok_or_else(|| format!("nothing was printed that `{command}` could mean"))?;
        Ok(format!("{}{}={}", found.get(1).map_or("", |export| export.as_str()), &found[2], last.as_str()))
    }
}

/// The commands of a block, each with the output that is shown below it.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (None, Some((command, _))) if goes_on => {
                command.push('\n');
                command.push_str(line);
                goes_on = line.ends_with('\\');
            }
            (Some(command), _) => {
                goes_on = command.ends_with('\\');
                commands.push((command.to_owned(), String::new()));
            }
            (None, Some((_, output))) => {
                output.push_str(line);
                output.push('\n');
            }
            (None, None) => panic!("a console block begins with `$ `: {block}"),
        }
    }
    commands
}

/// With the ports that the page names.
fn named(output: &str, ports: &[(String, String)]) -> String {
    ports.iter().fold(output.replace('\r', ""), |text, (named, free)| text.replace(free.as_str(), named))
}

/// Without what is another one each time: IDs, dates.
fn masked(text: &str) -> String {
    let masks = [
        (r"\b(req|key|acct)_[0-9a-f]{32}\b", "${1}_ID"),
        (r"\b\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
        (r"(?i)\bdate: [^\n]+", "date: DATE"),
        (r"/tmp/demur-demo-\w+", "FOLDER"),
        (r"\S*/demur keys list", "demur keys list"),
        (r"duration_ms=[0-9.]+", "duration_ms=N"),
        (r"client=[0-9.]+", "client=ADDRESS"),
    ];
    masks.iter().fold(text.to_owned(), |text, (pattern, mask)| {
        Regex::new(pattern).unwrap().replace_all(&text, *mask).into_owned()
    })
}

/// If an output is what a page shows of it: the keys that the page shows, each with the one that was printed.
fn fits(expected: &str, output: &str) -> Option<Vec<(String, String)>> {
    let key = Regex::new(r"\b[a-z]+_[0-9A-Za-z]{40,}\b").unwrap();
    let shown: Vec<String> = key.find_iter(expected).map(|key| key.as_str().to_owned()).collect();
    let mut pattern = String::from(r"\A");
    for line in expected.trim_end().lines() {
        if line.trim() == "…" {
            pattern.push_str(r"(?:[^\n]*\n)*?");
        } else {
            let parts: Vec<String> = line.trim_end().split('…').map(regex::escape).collect();
            pattern.push_str(&key.replace_all(&parts.join(r"[^\n]*"), r"([a-z]+_[0-9A-Za-z]{40,})"));
            pattern.push_str(r"[ \t]*\n");
        }
    }
    pattern.push_str(r"\z");
    let output = output.trim_end();
    let output = if output.is_empty() { String::new() } else { format!("{output}\n") };
    let captures = Regex::new(&pattern).unwrap().captures(&output)?;
    let printed = captures.iter().skip(1).flatten().map(|printed| printed.as_str().to_owned());
    Some(shown.into_iter().zip(printed).collect())
}

/// A command of a page, with the binaries of this build on its path and no settings but those of the page.
fn command(arguments: &[&str], folder: &Path) -> Command {
    let test = std::env::current_exe().unwrap();
    let binaries = test.parent().and_then(Path::parent).unwrap();
    assert!(binaries.join("demur").is_file(), "build it with `cargo build -p demur-cli -p demur-examples`");
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(arguments).current_dir(folder).env("PATH", path).env("PYTHONUNBUFFERED", "1");
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DEMUR_") {
            command.env_remove(variable);
        }
    }
    command
}

/// One shell for all commands of a page, so that its variables last.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    fn start(folder: &Path) -> Self {
        let mut command = command(&["--noprofile", "--norc"], folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, stdin, lines }
    }

    /// What a command prints on both outputs, and its exit code.
    fn run(&mut self, command: &str) -> Result<(String, i32), String> {
        let script = format!("{{ {command}\n}} </dev/null 2>&1; printf '\\n@end %s\\n' $?\n");
        self.stdin.write_all(script.as_bytes()).map_err(|error| error.to_string())?;
        let mut output = String::new();
        let until = Instant::now() + TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.map_err(|error| format!("`{command}`: {error} after\n{output}"))?;
            if let Some(code) = line.strip_prefix("@end ") {
                return Ok((output, code.parse().unwrap()));
            }
            output.push_str(&line);
            output.push('\n');
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that goes on until the end of the page.
struct Terminal {
    command: String,
    child: Child,
    lines: Receiver<String>,
}

impl Terminal {
    fn start(line: &str, folder: &Path) -> Self {
        // What a page shows is on standard output; what is logged depends on the machine.
        let script = format!("exec {line} 2>>terminal.log");
        let mut command = command(&["-c", &script], folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { command: line.to_owned(), child, lines }
    }

    /// Waits for the lines that the page shows; where it shows none, until the program's port accepts a connection.
    fn await_ready(&mut self, expected: &str, ports: &[(String, String)]) -> Result<String, String> {
        let until = Instant::now() + TIMEOUT;
        let mut output = String::new();
        while !expected.trim().is_empty() && fits(expected, &masked(&output)).is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line =
                line.map_err(|_| format!("`{}` printed\n{output}\nand not\n{expected}", self.command))?;
            let line = named(&line, ports);
            output.push_str(&line);
            output.push('\n');
        }
        let port = ports.iter().find(|(_, free)| self.command.contains(free.as_str()));
        while let Some((_, port)) = port
            && TcpStream::connect(format!("127.0.0.1:{port}")).is_err()
        {
            if Instant::now() > until {
                return Err(format!("`{}` does not listen", self.command));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(output)
    }
}

impl Drop for Terminal {
    /// As Ctrl-C does, and for certain.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The lines behind the last that is waited for are read on, so that the pipe never fills.
            let _ = sender.send(line);
        }
    });
    lines
}
