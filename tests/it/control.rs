//! The control socket: its routes, its bounds, its client, and what is left of it on disk.

#[path = "control/cli.rs"]
mod cli;
#[path = "control/terminal.rs"]
mod terminal;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tightrope::control::{
    Ambiguous, Answer, Asked, Client, ClientError, ControlError, ControlSettings, Done, Faulty,
    Meaning, Pause, Question, Server, Status, Unknown,
};
use tightrope::core::report::Why;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A server, a stand-in for the loop, and the folder that the socket is in.
struct Stand {
    server: Server,
    folder: TempDir,
    /// Ends once the server is closed.
    daemon: JoinHandle<Vec<Question>>,
}

impl Stand {
    /// A server at a socket of its own, and at a TCP port as `listen` says.
    fn new(listen: Option<SocketAddr>, token: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let token_file = token.map(|token| {
            let path = folder.path().join("token");
            fs::write(&path, token).expect("a token");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
            path
        });
        let settings = ControlSettings { socket: socket(&folder), listen, token_file };
        let (asked, questions) = mpsc::channel(8);
        let server = Server::start(&settings, asked).expect("a server");
        Self { server, folder, daemon: tokio::spawn(stand_in(questions)) }
    }

    fn client(&self) -> Client {
        Client::new(socket(&self.folder))
    }

    /// Closes the server, and tells what the loop was asked.
    async fn close(self) -> Vec<Question> {
        self.server.close().await;
        self.daemon.await.expect("the stand-in ends with the server")
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("control.sock")
}

fn settings(socket: PathBuf) -> ControlSettings {
    ControlSettings { socket, listen: None, token_file: None }
}

/// Answers as a daemon does that knows one channel.
async fn stand_in(mut questions: mpsc::Receiver<Asked>) -> Vec<Question> {
    let mut all = Vec::new();
    while let Some(Asked { question, answer }) = questions.recv().await {
        let reply = match &question {
            Question::Status => Answer::Status(Box::new(status())),
            Question::Why { channel } if channel == "Dörte/☂" => Answer::Why(Box::new(why())),
            Question::Why { channel } if channel == "bob" => Answer::Ambiguous(several()),
            Question::Why { channel } => Answer::Unknown(Unknown {
                unknown: channel.clone(),
                nearest: vec!["700123x1x0".to_owned(), "ca\u{1b}rol".to_owned()],
                silent: if channel == "alice" { vec!["10.0.0.1:10009".to_owned()] } else { vec![] },
            }),
            Question::Pause(Pause { scope, .. }) => {
                Answer::Done(Done { done: format!("paused: {scope}") })
            }
            Question::Resume { scope } => Answer::Done(Done { done: format!("resumed: {scope}") }),
            Question::Reload => Answer::Faulty(Faulty {
                faults: vec!["limits: no".to_owned(), "log.level: no".to_owned()],
            }),
            Question::Metrics => Answer::Metrics("tightrope_up 1\n".to_owned()),
        };
        all.push(question);
        // Whoever asked may be gone.
        drop(answer.send(reply));
    }
    all
}

fn several() -> Ambiguous {
    let meaning = |n: u8| Meaning {
        name: format!("0{n}…:0"),
        what: format!("the channel 0x0x{n} of \"alice\" with \"bob\""),
    };
    Ambiguous { ambiguous: "bob".to_owned(), meanings: vec![meaning(1), meaning(2)], more: 3 }
}

fn status() -> Status {
    serde_json::from_str(include_str!("../data/cli/status.json")).expect("a status")
}

fn why() -> Why {
    let report = status().report;
    let point = report.channels[1].point;
    Why {
        point,
        sides: vec![report.channels[1].clone()],
        open: vec![report.open[1].clone()],
        sentences: vec!["alice asks for 1000000 sat.".to_owned()],
    }
}

/// Sends `request` as it is, and reads the whole reply: its code, its head, its body.
async fn send<S>(mut stream: S, request: &str) -> (u16, String, String)
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    stream.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.expect("the reply is read");
    let reply = String::from_utf8(reply).expect("a reply is text");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let code = head[9..12].parse().expect("a status code");
    (code, head.to_ascii_lowercase(), body.to_owned())
}

async fn unix(folder: &TempDir) -> UnixStream {
    UnixStream::connect(socket(folder)).await.expect("the server listens")
}

#[tokio::test]
async fn each_question_reaches_the_loop_and_each_answer_the_client() {
    let stand = Stand::new(None, None);
    let client = stand.client();
    assert_eq!(client.status().await.expect("a status"), status());
    assert_eq!(client.why("Dörte/☂").await.expect("a why"), why());
    let pause =
        Pause { scope: "alice".to_owned(), for_ms: Some(7), reason: Some("tea".to_owned()) };
    assert_eq!(client.pause(&pause).await.expect("a pause").done, "paused: alice");
    assert_eq!(client.resume("all").await.expect("a resume").done, "resumed: all");
    assert_eq!(client.metrics().await.expect("metrics"), "tightrope_up 1\n");
    let faulty = client.reload().await.expect_err("faults");
    assert_eq!(faulty.to_string(), "it cannot be done:\n  limits: no\n  log.level: no");
    let unknown = client.why("700123").await.expect_err("no such channel");
    let words = "nothing is called \"700123\" (did you mean 700123x1x0, ca\\u{1b}rol?)";
    assert_eq!(unknown.to_string(), words);

    let asked = stand.close().await;
    let why = |channel: &str| Question::Why { channel: channel.to_owned() };
    let resume = Question::Resume { scope: "all".to_owned() };
    let expected = [
        Question::Status,
        why("Dörte/☂"),
        Question::Pause(pause),
        resume,
        Question::Metrics,
        Question::Reload,
        why("700123"),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_its_code() {
    let stand = Stand::new(None, None);
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let large = format!("{{\"scope\": \"{}\"}}", "x".repeat(20_000));
    for (request, code, words) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 200, "/why/{channel}"),
        ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 404, "GET / lists all"),
        ("GET /pause HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 405, "ask by POST"),
        ("GET /why/%ff HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "percent-encoded"),
        (post("/pause", ""), 400, "EOF"),
        (post("/pause", "{}"), 400, "missing field `scope`"),
        (post("/pause", r#"{"scope": "all", "untill": 1}"#), 400, "untill"),
        (post("/pause", r#"{"scope": "all", "forMs": -1}"#), 400, "-1"),
        (post("/pause", r#"{"scope": "all", "forMs": 0}"#), 400, "pauses nothing"),
        (post("/pause", r#"{"scope": "all", "forMs": 8640000000000}"#), 400, "over ten years"),
        (post("/pause", r#"{"scope": ""}"#), 400, "names nothing"),
        (post("/resume", r#"{"scope": " "}"#), 400, "names nothing"),
        (post("/resume", r#"{"scope": 1}"#), 400, "expected a string"),
        (post("/resume", &large), 400, "length limit"),
        (post("/reload", ""), 409, "log.level: no"),
        ("nonsense\r\n\r\n".to_owned(), 400, ""),
    ] {
        let (got, head, body) = send(unix(&stand.folder).await, &request).await;
        assert_eq!(got, code, "{request}: {body}");
        assert!(body.contains(words), "{request}: {body}");
        assert_eq!(head.contains("allow: post"), code == 405, "{head}");
    }
    let (_, head, _) = send(unix(&stand.folder).await, "GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(stand.close().await, [Question::Reload, Question::Metrics]);
}

#[tokio::test]
async fn over_tcp_strangers_may_look_where_no_token_is_set_and_do_nothing() {
    let loopback = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let token = "0123456789abcdef";
    let shown = format!("Authorization: Bearer {token}\r\n");
    let wrong = "Authorization: Bearer 0123456789abcdee\r\n";
    let page = "Host: rebound.example:80\r\n";
    let local = "Host: localhost:9740\r\n";
    for (token, path, headers, code) in [
        (None, "GET /status", local, 200),
        (None, "GET /metrics", "Host: [::1]:9740\r\n", 200),
        (None, "GET /status", page, 400),
        (None, "GET /why/a", local, 401),
        (None, "POST /reload", local, 401),
        (None, "GET /nothing", local, 401),
        (Some(token), "GET /status", local, 401),
        (Some(token), "GET /status", wrong, 401),
        (Some(token), "GET /status", &shown, 200),
        (Some(token), "POST /reload", &shown, 409),
        (Some(token), "GET /nothing", &shown, 404),
    ] {
        let stand = Stand::new(loopback, token);
        let address = stand.server.tcp().expect("a TCP address");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("{path} HTTP/1.1\r\n{headers}\r\n");
        let (got, head, body) = send(stream, &request).await;
        assert_eq!(got, code, "{request} with {token:?}: {body}");
        assert_eq!(head.contains("www-authenticate: bearer"), code == 401, "{head}");
        let has_asked = !stand.close().await.is_empty();
        assert_eq!(has_asked, code == 200 || code == 409, "{request}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let everywhere = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
    let settings = ControlSettings { listen: everywhere, ..settings(socket(&folder)) };
    let error = Server::start(&settings, mpsc::channel(1).0).expect_err("no token");
    assert!(error.to_string().contains("set control.tokenFile"), "{error}");
    assert!(!socket(&folder).exists(), "a start that failed leaves nothing");
}

/// Leaves a socket behind, as a daemon does that is killed.
fn die(path: &Path) {
    let listener = std::os::unix::net::UnixListener::bind(path).expect("a socket");
    // A process that is being started just now may hold the socket too, until it runs.
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("it is over");
}

/// What is in a folder.
fn left(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("the folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect()
}

#[tokio::test]
async fn the_socket_is_its_users_alone_and_a_dead_daemons_is_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = || Server::start(&settings(socket(&folder)), mpsc::channel(1).0);
    die(&socket(&folder));
    let server = start().expect("the dead one is replaced");
    let mode = fs::metadata(socket(&folder)).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let error = start().expect_err("a living one is not");
    let expected = format!("the process {} listens there already", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(matches!(error, ControlError::InUse { .. }));
    assert!(socket(&folder).exists(), "the living one keeps its socket");
    server.close().await;
    assert_eq!(left(&folder), [] as [&str; 0]);

    fs::write(socket(&folder), "a letter").expect("a file");
    let error = start().expect_err("a file is not replaced");
    assert!(matches!(error, ControlError::NotASocket { .. }), "{error}");
}

#[tokio::test]
async fn what_another_put_in_place_of_the_socket_is_not_removed() {
    let stand = Stand::new(None, None);
    fs::remove_file(socket(&stand.folder)).expect("the socket");
    let other = UnixListener::bind(socket(&stand.folder)).expect("another socket");
    let folder = stand.folder;
    stand.server.close().await;
    assert_eq!(left(&folder), ["control.sock"]);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_answer_is_a_503_and_a_client_that_hears_nothing_gives_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (asked, mut questions) = mpsc::channel(8);
    let server = Server::start(&settings(socket(&folder)), asked).expect("a server");
    let client = Client::new(socket(&folder));
    let error = client.status().await.expect_err("nobody answers");
    assert!(matches!(error, ClientError::Refused { status: 503, .. }), "{error}");
    assert!(error.to_string().contains("did not answer within 5 s"), "{error}");
    let asked = questions.recv().await.expect("the question");
    assert!(asked.answer.is_closed(), "nobody waits any longer");
    drop((asked, questions));
    let error = client.status().await.expect_err("the loop is gone");
    assert!(error.to_string().contains("starting or stopping"), "{error}");
    server.close().await;

    let mute = UnixListener::bind(socket(&folder)).expect("a socket");
    let error = client.status().await.expect_err("nobody speaks");
    assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
    drop(mute);
}

/// A status that fills every buffer between here and a reader that does not read.
fn large() -> Answer {
    let mut status = status();
    let channels = &status.report.channels;
    status.report.channels = channels.iter().cycle().take(4000).cloned().collect();
    Answer::Status(Box::new(status))
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_is_cut_off_in_time_and_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (asked, mut questions) = mpsc::channel::<Asked>(1);
    let server = Server::start(&settings(socket(&folder)), asked).expect("a server");
    let daemon = tokio::spawn(async move {
        while let Some(Asked { answer, .. }) = questions.recv().await {
            answer.send(large()).expect("the server waits for it");
        }
    });
    let begin = tokio::time::Instant::now();
    let mut stopped = unix(&folder).await;
    stopped.write_all(b"GET /status HTTP/1.1\r\n\r\n").await.expect("the request");
    let mut first = [0; 1];
    stopped.read_exact(&mut first).await.expect("it has begun to answer");

    let status = Client::new(socket(&folder)).status().await.expect("an answer at once");
    assert_eq!(status.report.channels.len(), 4000);
    assert_eq!(begin.elapsed(), Duration::ZERO, "nobody waited");

    // Nothing else is to be done, so the clock runs on until the server gives up.
    tokio::time::sleep(Duration::from_secs(26)).await;
    let mut rest = Vec::new();
    stopped.read_to_end(&mut rest).await.expect("what was on its way");
    assert!(rest.len() < 3_000_000, "cut off, not served: {} bytes", rest.len());
    server.close().await;
    daemon.await.expect("the loop was never held up");
}

#[tokio::test(start_paused = true)]
async fn callers_that_say_nothing_are_let_go_and_those_who_wait_come_in() {
    let stand = Stand::new(None, None);
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(unix(&stand.folder).await);
    }
    // The 32 places are taken until the first of them has been silent for 5 s.
    let begin = tokio::time::Instant::now();
    stand.client().status().await.expect("an answer in the end");
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
    drop(silent);
    assert_eq!(stand.close().await, [Question::Status]);
}

#[tokio::test]
async fn close_cuts_callers_off_and_leaves_nothing() {
    let stand = Stand::new(None, None);
    let mut silent = unix(&stand.folder).await;
    silent.write_all(b"GET /sta").await.expect("a part of a request");
    let folder = stand.folder;
    stand.server.close().await;
    let mut rest = Vec::new();
    drop(silent.read_to_end(&mut rest).await);
    assert_eq!((rest.len(), left(&folder)), (0, Vec::new()));
    let error = Client::new(socket(&folder)).status().await.expect_err("nobody is there");
    assert!(matches!(error, ClientError::NoDaemon { .. }), "{error}");
}

/// What a client says when something else answers it with `reply`.
async fn told(reply: &'static str) -> ClientError {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listener = UnixListener::bind(socket(&folder)).expect("a socket");
    let other = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let mut request = [0; 4096];
        let count = stream.read(&mut request).await.expect("a request");
        assert!(count > 0);
        stream.write_all(reply.as_bytes()).await.expect("the reply is taken");
    });
    let error = Client::new(socket(&folder)).status().await.expect_err("no status");
    other.await.expect("it answered");
    error
}

#[tokio::test]
async fn a_client_says_what_to_do_when_it_gets_no_answer() {
    let not_ours = told("HTTP/1.1 200 OK\r\nserver: nginx\r\ncontent-length: 2\r\n\r\n{}").await;
    assert!(matches!(not_ours, ClientError::NotTightrope { .. }), "{not_ours}");
    let not_http = told("SSH-2.0-OpenSSH_9.6\r\n").await;
    assert!(matches!(not_http, ClientError::NotTightrope { .. }), "{not_http}");
    for reply in
        ["HTTP/1.1 200 OK\r\nserver: tightrope/9\r\ncontent-length: 99\r\n\r\n{", "HTTP/1.1 2", ""]
    {
        let short = told(reply).await;
        assert!(matches!(short, ClientError::CutShort { .. }), "{reply:?}: {short}");
    }
    let other =
        told("HTTP/1.1 200 OK\r\nserver: tightrope/9.9.9\r\ncontent-length: 2\r\n\r\n{}").await;
    assert!(other.to_string().contains("it says tightrope/9.9.9"), "{other}");

    let folder = tempfile::tempdir().expect("a temporary folder");
    die(&socket(&folder));
    let gone = Client::new(socket(&folder)).status().await.expect_err("nobody listens");
    assert!(gone.to_string().contains("start it again"), "{gone}");
    let path = Path::new("/nowhere/control.sock");
    let none = Client::new(path.to_owned()).status().await.expect_err("nothing there");
    assert!(none.to_string().contains("is it running"), "{none}");
}

#[test]
fn the_fields_of_a_status_are_stable() {
    let text = include_str!("../data/cli/status.json");
    let written: Value = serde_json::to_value(status()).expect("it is written");
    let read: Value = serde_json::from_str(text).expect("it is JSON");
    assert_eq!(written, read);
    assert_eq!(written["channels"][0]["rest"]["code"], json!("balanced"));
}
