//! A Python that takes orders and tells news.
//!
//! Both are lines: a word, a space and the rest; `python/console.py` is the other end. The first news is
//! `ready`, with the versions of the packages as JSON. `python/buses.py` gives a script its CAN bus.

use core::time::Duration;
use std::collections::VecDeque;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long anything may take that does not wait for its time: generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that a script told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What kind.
    pub word: String,
    /// What about it.
    pub rest: String,
}

/// A running script; it ends with this value.
#[derive(Debug)]
pub struct Script {
    child: Child,
    orders: ChildStdin,
    news: Lines<BufReader<ChildStdout>>,
    /// Told, and not asked for yet.
    kept: VecDeque<News>,
    versions: Value,
}

impl Script {
    /// Starts the script at `path` with the interpreter that the environment variable names, or, where it is
    /// not set, the one of that virtual environment beside the running test.
    ///
    /// # Panics
    /// When there is no such Python, or it does not say that it is ready.
    pub async fn start(python: Python, path: &Path, arguments: &[&str]) -> Self {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
        let mut child = Command::new(python.interpreter())
            .env("PYTHONPATH", modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-W", "ignore"])
            .arg(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (orders, news) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut script = Self {
            child,
            orders,
            news: BufReader::new(news).lines(),
            kept: VecDeque::new(),
            versions: Value::Null,
        };
        let ready = script.wait_for("ready").await;
        script.versions = serde_json::from_str(&ready).unwrap();
        script
    }

    fn version(&self, package: &str) -> &str {
        let version = self.versions.get(package).and_then(Value::as_str);
        version.unwrap_or_else(|| panic!("{package}: no version told"))
    }

    /// `1.0 on b 2.0, c 3.0`: the version of a package, of those that it stands on, and of Python.
    #[must_use]
    pub fn versions(&self, package: &str, below: &[&str]) -> String {
        let below = below.iter().chain(&["Python"]);
        let below: Vec<_> = below
            .map(|name| format!("{name} {}", self.version(name)))
            .collect();
        format!("{} on {}", self.version(package), below.join(", "))
    }

    /// Gives an order.
    ///
    /// # Panics
    /// When the script has ended.
    pub async fn order(&mut self, word: &str, rest: &str) {
        let line = format!("{word} {rest}\n");
        let written = soon(word, self.orders.write_all(line.as_bytes())).await;
        written.unwrap_or_else(|error| panic!("the order {word}: {error}"));
    }

    /// The next news of one of these kinds; others are kept for later.
    ///
    /// # Panics
    /// When there is none for long.
    pub async fn next(&mut self, words: &[&str]) -> News {
        let is_wanted = |news: &News| words.contains(&&*news.word);
        if let Some(at) = self.kept.iter().position(is_wanted) {
            return self.kept.remove(at).unwrap();
        }
        let what = words.join(" or ");
        let fresh = async {
            loop {
                let news = self.read().await;
                if is_wanted(&news) {
                    return news;
                }
                self.kept.push_back(news);
            }
        };
        soon(&what, fresh).await
    }

    /// The next news of this kind.
    ///
    /// # Panics
    /// As [`next`](Self::next).
    pub async fn wait_for(&mut self, word: &str) -> String {
        self.next(&[word]).await.rest
    }

    /// Forgets what was told and not asked for, and returns it.
    pub fn forget(&mut self) -> Vec<News> {
        self.kept.drain(..).collect()
    }

    /// Hangs up and waits for the end.
    ///
    /// # Panics
    /// When the script does not end, or not well.
    pub async fn end(mut self) {
        drop(self.orders);
        let status = soon("the end of the script", self.child.wait()).await.unwrap();
        assert!(status.success(), "the script ended with {status}");
    }

    async fn read(&mut self) -> News {
        let line = self
            .news
            .next_line()
            .await
            .unwrap()
            .expect("a script that goes on");
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        News {
            word: word.to_owned(),
            rest: rest.to_owned(),
        }
    }
}

/// One of the virtual environments that `cargo xtask setup` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Python {
    /// With python-can of version 4, python-can-isotp and udsoncan.
    Main,
    /// With aioisotp and a python-can of version 3.
    Aioisotp,
    /// With fstrm and the brokers.
    Streams,
}

impl Python {
    fn interpreter(self) -> PathBuf {
        let (variable, folder) = match self {
            Self::Main => ("TINWIRE_PYTHON", "venv"),
            Self::Aioisotp => ("TINWIRE_PYTHON_AIOISOTP", "venv-aioisotp"),
            Self::Streams => ("TINWIRE_PYTHON_STREAMS", "venv-streams"),
        };
        let beside_us = || {
            let own = env::current_exe().ok()?;
            let place = |folder_above: &Path| folder_above.join(folder).join("bin/python");
            own.ancestors().map(place).find(|path| path.is_file())
        };
        env::var_os(variable)
            .map(PathBuf::from)
            .or_else(beside_us)
            .unwrap_or_else(|| panic!("{variable} is not set; run: cargo xtask setup"))
    }
}

/// What `future` gives, which must not take long: more where `VCAN_SLOW` says that the machine is emulated.
///
/// # Panics
/// When it takes long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let slow = env::var("VCAN_SLOW").map_or(1, |slow| slow.parse().unwrap());
    let outcome = tokio::time::timeout(PATIENCE * slow, future).await;
    outcome.unwrap_or_else(|_| panic!("{what}: nothing happened"))
}
