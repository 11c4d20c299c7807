//! `timed stop`: a graceful stop over the admin socket, at a moment that costs the network least.

use std::{path::Path, process::ExitCode, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    args::StopArguments,
    attach::socket_of,
    client::block_on,
    failure::{Code, Failure},
    output,
};
use crate::{
    attach::{AttachError, Connection, Notice, Sections, Subscribe},
    control::{Command, CommandError, Status, StopAdvice, stop_advice, words::duration},
};

/// How long `--when-idle` waits for a safe moment before it gives up.
const IDLE_PATIENCE: Duration = Duration::from_secs(600);
/// How long `--wait` waits for the node to be gone after it has begun to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked whether the socket is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A socket that refuses for this long was left behind and will not go any more.
const LEFT_BEHIND: Duration = Duration::from_secs(5);
/// How often is said what is waited for.
const TELL: Duration = Duration::from_secs(5);
/// How long the first snapshot may take.
const FIRST: Duration = Duration::from_secs(10);

pub(super) fn stop(arguments: &StopArguments) -> Result<ExitCode, Failure> {
    let path = match &arguments.socket {
        Some(socket) => socket.clone(),
        None => socket_of(&arguments.place, false)?,
    };
    block_on(async {
        let mut connection = Connection::open(&path).await?;
        if !connection.hello().takes_commands() {
            return Err(Failure::new(
                Code::Refused,
                format!(
                    "{} is read only; use the admin socket, timed.sock",
                    path.display()
                ),
            ));
        }
        let wanted = Subscribe::snapshots(Sections::NODE.and(Sections::CONSENSUS));
        connection.subscribe(wanted).await?;
        let mut status = first(&mut connection).await?;
        if !arguments.force {
            moment(&mut connection, &mut status, arguments.when_idle).await?;
        }
        let command = Command::Stop {
            reason: "operator: timed stop".to_owned(),
        };
        match connection
            .ask(command, |notice| take(notice, &mut status))
            .await?
        {
            Ok(_) | Err(CommandError::Stopping) => {}
            Err(error) => return Err(Failure::new(Code::Refused, error.to_string())),
        }
        output::line(&format!("{} is stopping", status.node.name))?;
        match arguments.wait {
            true => gone(connection, &mut status, &path).await,
            false => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn first(connection: &mut Connection) -> Result<Status, Failure> {
    let mut status = Status::default();
    let looking = async {
        while status.revision == 0 {
            take(connection.next().await?, &mut status);
        }
        Ok::<(), AttachError>(())
    };
    match timeout(FIRST, looking).await {
        Ok(looked) => looked?,
        Err(_) => {
            return Err(AttachError::Silent {
                seconds: FIRST.as_secs(),
            }
            .into());
        }
    }
    Ok(status)
}

fn take(notice: Notice, status: &mut Status) {
    match notice {
        Notice::Update(delta) => delta.apply(status),
        Notice::Events { .. } | Notice::Logs { .. } | Notice::Reply { .. } | Notice::Bye { .. } => {}
    }
}

/// Waits for a moment at which the stop harms nobody, or says why there is none.
async fn moment(connection: &mut Connection, status: &mut Status, when_idle: bool) -> Result<(), Failure> {
    let began = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let words = match stop_advice(status) {
            StopAdvice::Safe => return Ok(()),
            // Leading is soon over; the loss of quorum is not.
            StopAdvice::Leading { .. } if !when_idle => return Ok(()),
            StopAdvice::Leading { words } => words,
            StopAdvice::HaltsFinality { words } => {
                return Err(Failure::new(
                    Code::Refused,
                    format!("{words}; bring another validator back first, or use --force"),
                ));
            }
        };
        if began.elapsed() > IDLE_PATIENCE {
            return Err(Failure::new(
                Code::Refused,
                format!(
                    "no safe moment within {}: {words}; use --force to stop now",
                    duration(IDLE_PATIENCE.as_millis() as u64)
                ),
            ));
        }
        if told.is_none_or(|at| at.elapsed() >= TELL) {
            output::diagnostic(&format!("waiting: {words}"));
            told = Some(Instant::now());
        }
        if let Ok(notice) = timeout(TELL, connection.next()).await {
            take(notice?, status);
        }
    }
}

/// Follows the stop until the node's socket is closed.
async fn gone(mut connection: Connection, status: &mut Status, path: &Path) -> Result<ExitCode, Failure> {
    let following = async {
        while let Ok(notice) = connection.next().await {
            take(notice, status);
        }
        // The connection ends before the process does; the socket's name goes last. One that nobody
        // listens on any more and that stays is what a killed process leaves.
        let mut refused: Option<Instant> = None;
        while path.exists() && refused.is_none_or(|at| at.elapsed() < LEFT_BEHIND) {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => refused = None,
                Err(_) => refused = refused.or_else(|| Some(Instant::now())),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match timeout(STOP_PATIENCE, following).await {
        Ok(()) => {
            output::line(&format!("{} has stopped", status.node.name))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => Err(Failure::new(
            Code::Refused,
            format!(
                "{} is still stopping after {}; see its log",
                status.node.name,
                duration(STOP_PATIENCE.as_millis() as u64)
            ),
        )),
    }
}
