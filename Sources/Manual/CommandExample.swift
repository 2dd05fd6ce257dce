/// A command line worth copying, with what it is for.
package struct CommandExample: Sendable {
    package let purpose: String
    package let line: String
}

extension CommandExample {
    /// The examples of a command, by its first spelling; a test parses each line.
    package static func of(_ command: String) -> [CommandExample] {
        (all[command] ?? []).map { CommandExample(purpose: $0.0, line: $0.1) }
    }

    /// The commands that have examples.
    package static var commands: [String] { all.keys.sorted() }

    private static let all: [String: [(String, String)]] = [
        "build": builds,
        "builder prune": [("Keep at most 10 GB of build cache", "slipway builder prune --max-used-space 10GB --force")],
        "cp": [("Copy a file out of a container", "slipway cp web:/var/log/app.log .")],
        "create": [("Create a container and start it later", "slipway create --name web -p 8080:80 app:1.0")],
        "exec": [("Open a shell in a running container", "slipway exec -it web sh")],
        "explain": [
            ("Say why steps of the last build ran again", "slipway explain"),
            ("Say why the steps of an image's build ran", "slipway explain app:1.0"),
            ("Show where the time of the last build went", "slipway explain --profile build.html"),
        ],
        "history": [("Show each step in full", "slipway history --no-trunc app:1.0")],
        "images": [
            ("List the images of one repository", "slipway images app"),
            ("Print names only", "slipway images --format '{{.Repository}}:{{.Tag}}'"),
        ],
        "import": [
            ("Make a base image of a root file system", "slipway import --change 'CMD [\"sh\"]' root.tar base:1.0")
        ],
        "inspect": [("Print one field", "slipway inspect --format '{{.Config.Cmd}}' app:1.0")],
        "load": [("Load the images of an archive", "slipway load -i images.tar")],
        "login": [
            ("Log in with a password from a file", "slipway login -u me --password-stdin registry.example.com < token")
        ],
        "logs": [("Follow the last ten lines", "slipway logs --follow --tail 10 web")],
        "ps": [("List stopped containers, too", "slipway ps --all")],
        "pull": [("Download an image for another platform", "slipway pull --platform linux/arm64 alpine:3.20")],
        "push": [("Upload an image", "slipway push registry.example.com/app:1.0")],
        "run": runs,
        "save": [("Write two images to one archive", "slipway save -o images.tar app:1.0 base:1.0")],
        "system check": [
            ("Verify every blob", "slipway system check"),
            ("Take out what is damaged", "slipway system check --repair"),
        ],
        "system prune": [("Remove all unused images and the build cache", "slipway system prune --all --force")],
        "unshare": [
            (
                "Look at the files of this user's store as images have them",
                "slipway unshare ls -l /home/me/.local/share/slipway"
            ),
            ("Remove files that a container gave to another user", "slipway unshare rm -r data"),
        ],
        "system reset": [("Remove a store with everything in it", "slipway system reset --force")],
        "tag": [("Give an image a second name", "slipway tag app:1.0 registry.example.com/app:1.0")],
    ]

    private static let builds: [(String, String)] = [
        ("Build the current directory and name the image", "slipway build -t app:1.0 ."),
        ("Build another Dockerfile, up to one of its stages", "slipway build -f Dockerfile.dev --target test ."),
        ("Build a git repository", "slipway build https://example.com/app.git#main:service"),
        (
            "Build for two platforms and upload",
            "slipway build --platform linux/amd64,linux/arm64 -t example.com/app --push ."
        ),
        ("Give a step a secret that stays out of the image", "slipway build --secret id=token,src=token.txt ."),
        ("Write the files of the result to a directory", "slipway build -o type=local,dest=out ."),
        (
            "Share the build cache through a registry",
            "slipway build --cache-to type=registry,ref=example.com/cache,mode=max --cache-from example.com/cache ."
        ),
        ("Check a Dockerfile without building it", "slipway build --check ."),
    ]

    private static let runs: [(String, String)] = [
        ("Run a command and remove the container", "slipway run --rm alpine echo hello"),
        ("Run a server in the background", "slipway run -d --name web -p 8080:80 app:1.0"),
        ("Work in a container on files of the host", "slipway run --rm -it -v ./src:/src -w /src alpine sh"),
        ("Limit memory and processors", "slipway run --rm --memory 512m --cpus 1.5 app:1.0"),
    ]
}
