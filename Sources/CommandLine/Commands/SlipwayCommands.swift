package import Terminal

/// The whole command tree, with Docker's spellings.
package enum SlipwayCommands {
    package static let all: [CommandNode<SlipwayEnvironment>] = [
        .command("run", isCommon: true, RunCommand.self),
        .command("exec", isCommon: true, ExecCommand.self),
        .command("ps", isCommon: true, ListContainersCommand.self),
        .command("build", isCommon: true, BuildCommand.self),
        .command("pull", isCommon: true, PullCommand.self),
        .command("push", isCommon: true, PushCommand.self),
        .command("images", isCommon: true, ImagesCommand.self),
        .command("login", isCommon: true, LoginCommand.self),
        .command("logout", isCommon: true, LogoutCommand.self),
        .command("explain", isCommon: true, ExplainCommand.self),
        .command("daemon", DaemonCommand.self),
        .command("history", HistoryCommand.self),
        .command("import", ImportCommand.self),
        .command("info", SystemSummaryCommand.self),
        .command("cp", CopyCommand.self),
        .command("create", CreateCommand.self),
        .command("inspect", InspectCommand.self),
        .command("kill", KillCommand.self),
        .command("load", LoadCommand.self),
        .command("logs", LogsCommand.self),
        .command("port", PortCommand.self),
        .command("rename", RenameCommand.self),
        .command("restart", RestartCommand.self),
        .command("rm", RemoveContainersCommand.self),
        .command("rmi", RemoveImagesCommand.self),
        .command("save", SaveCommand.self),
        .command("start", StartCommand.self),
        .command("stop", StopCommand.self),
        .command("top", TopCommand.self),
        .command("tag", TagCommand.self),
        .command("unshare", UnshareCommand.self),
        .command("wait", WaitCommand.self),
        .command("version", VersionCommand.self),
        .group(
            "builder",
            summary: "Manage builds",
            [
                .command("build", BuildCommand.self), .command("du", BuildCacheUsageCommand.self),
                .command("prune", PruneBuilderCommand.self),
            ]
        ),
        .group(
            "buildx",
            isHidden: true,
            summary: "Manage builds",
            [
                .command("build", aliases: ["b"], BuildCommand.self), .command("du", BuildCacheUsageCommand.self),
                .command("prune", PruneBuilderCommand.self),
            ]
        ),
        .group(
            "container",
            summary: "Manage containers",
            [
                .command("cp", CopyCommand.self),
                .command("create", CreateCommand.self),
                .command("exec", ExecCommand.self),
                .command("inspect", InspectContainersCommand.self),
                .command("kill", KillCommand.self),
                .command("logs", LogsCommand.self),
                .command("ls", aliases: ["list", "ps"], ListContainersCommand.self),
                .command("port", PortCommand.self),
                .command("prune", PruneContainersCommand.self),
                .command("rename", RenameCommand.self),
                .command("restart", RestartCommand.self),
                .command("rm", aliases: ["remove"], RemoveContainersCommand.self),
                .command("run", RunCommand.self),
                .command("start", StartCommand.self),
                .command("stop", StopCommand.self),
                .command("top", TopCommand.self),
                .command("wait", WaitCommand.self),
            ]
        ),
        image,
        .group(
            "system",
            summary: "Manage Slipway",
            [
                .command("check", CheckCommand.self),
                .command("df", DiskUsageCommand.self),
                .command("dial-stdio", isHidden: true, DialCommand.self),
                .command("info", SystemSummaryCommand.self),
                .command("prune", PruneSystemCommand.self),
                .command("reset", ResetCommand.self),
            ]
        ),
        .group(
            "volume",
            summary: "Manage volumes",
            [
                .command("create", CreateVolumeCommand.self),
                .command("inspect", InspectVolumesCommand.self),
                .command("ls", aliases: ["list"], ListVolumesCommand.self),
                .command("prune", PruneVolumesCommand.self),
                .command("rm", aliases: ["remove"], RemoveVolumesCommand.self),
            ]
        ),
        .group(
            "completion",
            summary: "Generate the completion script for a shell",
            [
                .command("bash", BashCompletionCommand.self),
                .command("zsh", ZshCompletionCommand.self),
                .command("fish", FishCompletionCommand.self),
            ]
        ),
        .command("__complete", isHidden: true, CompleteCommand.self),
        .command("__docs", isHidden: true, DocsCommand.self),
        .command(ContainerEndedCommand.name, isHidden: true, ContainerEndedCommand.self),
        .command(KeepTerminalCommand.name, isHidden: true, KeepTerminalCommand.self),
    ]

    private static let image = CommandNode.group(
        "image",
        summary: "Manage images",
        [
            .command("build", BuildCommand.self),
            .command("history", HistoryCommand.self),
            .command("import", ImportCommand.self),
            .command("inspect", InspectImagesCommand.self),
            .command("load", LoadCommand.self),
            .command("ls", aliases: ["list"], ImagesCommand.self),
            .command("prune", PruneImagesCommand.self),
            .command("pull", PullCommand.self),
            .command("push", PushCommand.self),
            .command("rm", aliases: ["remove"], RemoveImagesCommand.self),
            .command("save", SaveCommand.self),
            .command("tag", TagCommand.self),
        ]
    )
}
