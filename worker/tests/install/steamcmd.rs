//! How SteamCMD is called, when it is called again, and how it is ended.

use std::fs;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use worker::install::{InstallError, Phase, Steamcmd};

use crate::support::{APP, Planned, soon, until_closed};

const SUCCESS: &str = "echo \"Success! App '740' fully installed.\"";
const INTERRUPTED: &str = "echo \"Error! App '740' state is 0x602 after update job.\"; exit 8";

#[tokio::test]
async fn it_gets_the_arguments_of_v1_in_a_directory_that_is_there() {
    let planned = Planned::new(SUCCESS);
    planned.install(APP).await.1.unwrap();
    assert_eq!(
        planned.calls(),
        ["+@sSteamCmdForcePlatformType linux +force_install_dir DIR +login anonymous \
         +app_update 740 +exit"]
    );
    let deeper = planned.file("steam/740/1-server");
    let steamcmd = Steamcmd { executable: "true".into(), ..planned.steamcmd.clone() };
    steamcmd.install(APP, &deeper, &mut |_| {}, &CancellationToken::new()).await.unwrap();
    assert!(deeper.is_dir());
}

#[tokio::test]
async fn an_app_of_two_platforms_is_installed_for_one_after_the_other() {
    let planned = Planned::new("echo \"Success! App '222860' fully installed.\"");
    planned.install(222_860).await.1.unwrap();
    let platforms = planned.calls();
    let platforms: Vec<_> = platforms.iter().map(|call| call.split(' ').nth(1).unwrap()).collect();
    assert_eq!(platforms, ["windows", "linux"]);
}

#[tokio::test]
async fn the_second_platform_is_not_tried_when_the_first_failed() {
    let planned = Planned::new("echo \"ERROR! Failed to install app '222860' (No subscription)\"");
    let (_, result) = planned.install(222_860).await;
    assert!(matches!(result, Err(InstallError::NoSubscription { app_id: 222_860 })), "{result:?}");
    assert_eq!(planned.calls().len(), 1);
}

#[tokio::test]
async fn a_spurious_failure_is_tried_again() {
    let plan = format!("if [ $call -lt 3 ]; then {INTERRUPTED}; fi; {SUCCESS}");
    let planned = Planned::new(&plan);
    let (progress, result) = planned.install(APP).await;
    result.unwrap();
    let phases: Vec<_> = progress.iter().map(|progress| progress.phase).collect();
    assert_eq!(phases, [Phase::Retrying, Phase::Retrying]);
    assert_eq!(planned.calls().len(), 3);
}

#[tokio::test]
async fn after_the_last_attempt_the_failure_counts() {
    let planned = Planned::new(INTERRUPTED);
    let (_, result) = planned.install(APP).await;
    assert!(
        matches!(result, Err(InstallError::TransientContent { state: 0x602, .. })),
        "{result:?}"
    );
    assert_eq!(planned.calls().len(), 3);
}

#[tokio::test]
async fn what_no_attempt_can_mend_is_not_tried_again() {
    for reason in ["No subscription", "Invalid platform", "Not enough disk space"] {
        let failure = format!("echo \"ERROR! Failed to install app '740' ({reason})\"; exit 8");
        let planned = Planned::new(&failure);
        let (_, result) = planned.install(APP).await;
        assert!(!result.unwrap_err().is_worth_retrying());
        assert_eq!(planned.calls().len(), 1, "{reason}");
    }
}

#[tokio::test]
async fn a_self_update_costs_no_attempt_but_does_not_go_on_for_ever() {
    let update = "echo 'steamcmd.sh[5]: Restarting steamcmd by request...'; exit 42";
    let mut planned = Planned::new(&format!("if [ $call -lt 3 ]; then {update}; fi; {SUCCESS}"));
    planned.steamcmd.attempts = 1;
    planned.install(APP).await.1.unwrap();

    let planned = Planned::new(update);
    let (_, result) = planned.install(APP).await;
    assert!(matches!(result, Err(InstallError::OnlyUpdatedItself)), "{result:?}");
    assert_eq!(planned.calls().len(), 5);
}

#[tokio::test]
async fn a_killed_steamcmd_is_told_with_its_signal_and_last_lines() {
    let mut planned = Planned::new("echo about to die; kill -KILL $$");
    planned.steamcmd.attempts = 1;
    let error = planned.install(APP).await.1.unwrap_err();
    assert_eq!(error.to_string(), "steamcmd was ended by signal 9");
    assert_eq!(error.last_lines(), ["about to die"]);
}

#[tokio::test]
async fn something_left_in_the_background_does_not_hold_up_an_install() {
    let planned = Planned::new(&format!("sleep 600 & echo $! > \"$directory/pid\"; {SUCCESS}"));
    soon("the install is done", planned.install(APP)).await.1.unwrap();
    let pid = fs::read_to_string(planned.file("pid")).unwrap().trim().parse().unwrap();
    let left = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn an_install_that_takes_too_long_is_ended_with_all_it_started() {
    let mut planned = Planned::new("exec 3> \"$directory/alive\"; sleep 600 & echo up >&3; wait");
    let gone = until_closed(&planned.file("alive"));
    planned.steamcmd.attempts = 1;
    planned.steamcmd.timeout = Duration::from_secs(2);
    let (_, result) = planned.install(APP).await;
    assert!(matches!(result, Err(InstallError::TimedOut { .. })), "{result:?}");
    assert_eq!(gone.await, "up\n");
}

/// Returns when the plan has come as far as `seen`.
async fn seen(planned: &Planned) {
    while !planned.file("seen").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The result of an install that is cancelled when its plan has come as far as `seen`.
async fn cancelled(planned: &Planned) -> Result<(), InstallError> {
    let cancel = CancellationToken::new();
    let mut ignored = |_| {};
    let install = planned.steamcmd.install(APP, planned.directory.path(), &mut ignored, &cancel);
    let cancelling = async {
        seen(planned).await;
        cancel.cancel();
    };
    soon("the install is cancelled", async { tokio::join!(install, cancelling).0 }).await
}

#[tokio::test]
async fn a_cancelled_install_is_ended_with_all_it_started_even_what_ignores_sigterm() {
    let planned = Planned::new(
        "trap '' TERM; exec 3> \"$directory/alive\"; sleep 600 & echo up >&3; \
         touch \"$directory/seen\"; while :; do sleep 600; done",
    );
    let gone = until_closed(&planned.file("alive"));
    let result = cancelled(&planned).await;
    assert!(matches!(result, Err(InstallError::Cancelled)), "{result:?}");
    assert_eq!(gone.await, "up\n");
}

#[tokio::test]
async fn an_install_may_be_cancelled_while_it_waits_for_its_next_attempt() {
    let mut planned = Planned::new(&format!("touch \"$directory/seen\"; {INTERRUPTED}"));
    planned.steamcmd.backoff = Duration::from_secs(3600);
    let result = cancelled(&planned).await;
    assert!(matches!(result, Err(InstallError::Cancelled)), "{result:?}");
    assert_eq!(planned.calls().len(), 1);
}

#[tokio::test]
async fn an_install_that_nobody_waits_for_any_more_is_ended() {
    let planned = Planned::new(
        "exec 3> \"$directory/alive\"; echo up >&3; touch \"$directory/seen\"; sleep 600",
    );
    let gone = until_closed(&planned.file("alive"));
    tokio::select! {
        (_, result) = planned.install(APP) => panic!("{result:?}"),
        () = seen(&planned) => {}
    }
    assert_eq!(gone.await, "up\n");
}

#[tokio::test]
async fn a_steamcmd_that_is_missing_or_not_executable_is_named() {
    let mut planned = Planned::new(SUCCESS);
    planned.steamcmd.executable = "/nowhere/steamcmd.sh".into();
    let error = planned.install(APP).await.1.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no steamcmd at /nowhere/steamcmd.sh: install it, or set STEAMCMD_EXECUTABLE"
    );
    planned.steamcmd.executable = planned.file("plan");
    let error = planned.install(APP).await.1.unwrap_err();
    assert!(matches!(error, InstallError::NotExecutable { .. }), "{error:?}");
}
