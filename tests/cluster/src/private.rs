//! A private server: made by `initdb` in a temporary folder, reached by a socket in there.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// How often a server that starts is looked at, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3_000;

/// Runs the server until its input ends, which it does when whoever started it ends, also when that
/// is killed; then removes the folder.
const WATCH: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 \
    -c fsync=on -c shared_buffers=64MB >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server 2>/dev/null
wait $server
rm -rf "$2"
"#;

/// The programs of a server.
#[derive(Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those that `pg_config` names, else those of the highest version under `/usr/lib/postgresql`,
    /// else those in the `PATH`.
    pub(crate) fn find() -> Option<Self> {
        let named = Command::new("pg_config").arg("--bindir").output().ok();
        let named = named.filter(|said| said.status.success());
        let named = named.map(|said| PathBuf::from(String::from_utf8_lossy(&said.stdout).trim()));
        let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut installed: Vec<_> = installed.map(|version| version.path()).collect();
        let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
        installed.sort_by_key(number);
        let installed = installed.into_iter().rev().map(|version| version.join("bin"));
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders = named.into_iter().chain(installed).chain(env::split_paths(&path));
        let complete =
            |bin: &PathBuf| bin.join("initdb").is_file() && bin.join("postgres").is_file();
        folders.find(complete).map(Self)
    }
}

/// A private server; it ends and its folder is removed when this is dropped.
#[derive(Debug)]
pub struct Private {
    url: String,
    watch: Mutex<Child>,
}

impl Private {
    pub(crate) fn start(programs: &Programs) -> Self {
        let folder = env::temp_dir().join(format!("ssf-pg-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        // A server refuses to be run by root.
        let user = (fs::metadata(&folder).unwrap().uid() == 0).then(unprivileged);
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&folder).process_group(0).env("LC_ALL", "C");
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let made = command(&programs.0.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut watch = command(Path::new("/bin/sh"));
        watch.args(["-c", WATCH, "watch"]).arg(&programs.0).arg(&folder).stdin(Stdio::piped());
        let watch = Mutex::new(watch.spawn().unwrap());
        let url = format!("postgres://postgres@localhost/postgres?host={}", folder.display());
        wait_until_ready(&folder);
        Self { url, watch }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let mut watch = self.watch.lock().unwrap();
        drop(watch.stdin.take());
        let _ = watch.wait();
    }
}

/// A user to run a server as: `postgres`, else `nobody`.
fn unprivileged() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let mut parts = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let user = parts.find(|parts| parts.first() == Some(&name))?;
        Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).unwrap_or((65_534, 65_534))
}

/// A server that has started says so in the eighth line of its file, as `pg_ctl` reads it.
fn wait_until_ready(folder: &Path) {
    for _ in 0..LOOKS {
        let state = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("PostgreSQL does not start:\n{log}");
}
