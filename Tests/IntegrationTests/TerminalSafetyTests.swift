import Foundation
import Proofs
import Testing

/// Names, labels and texts that did not come from us must not act on the terminal that shows them.
@Suite(.requires(.root, .program("python3"), .program("crun")))
struct `Text from elsewhere` {
    private static let commands: [[String]] = [
        ["load", "-i", "EVIL"], ["load", "-i", "bad.tar"], ["images"], ["images", "-f", "label=EVIL"],
        ["images", "-f", "EVIL=x"], ["history", "evil"], ["history", "--no-trunc", "evil"], ["inspect", "EVIL"],
        ["inspect", "evil"], ["run", "--rm", "evil"], ["run", "--rm", "foreign"], ["run", "EVIL"],
        ["run", "--name", "EVIL", "evil"], ["run", "--network", "EVIL", "evil"],
        ["run", "-v", "EVIL:EVIL:EVIL", "evil"],
        ["run", "--entrypoint", "EVIL", "plain"], ["run", "-u", "EVIL", "plain", "/bin/sh"], ["create", "foreign"],
        ["run", "-w", "EVIL", "plain", "/bin/sh"], ["run", "--hostname", "EVIL", "plain", "/bin/sh"],
        ["ps", "-a"], ["ps", "-a", "--no-trunc"], ["ps", "-a", "--format", #"table {{.Labels}}\t{{.Command}}"#],
        ["ps", "-f", "label=EVIL"], ["ps", "-f", "EVIL"], ["inspect", "held"], ["port", "held", "EVIL"],
        ["logs", "EVIL"],
        ["top", "EVIL"], ["exec", "EVIL", "x"], ["start", "EVIL"], ["start", "held"], ["stop", "EVIL"], ["rm", "EVIL"],
        ["wait", "EVIL"], ["kill", "-s", "EVIL", "held"], ["cp", "held:/EVIL/x", "-"], ["cp", "EVIL", "held:/"],
        ["rmi", "EVIL"], ["tag", "evil", "EVIL"], ["tag", "EVIL", "x"], ["pull", "EVIL"], ["push", "EVIL"],
        ["save", "EVIL"],
        ["import", "EVIL"], ["login", "-u", "x", "-p", "y", "EVIL"], ["system", "df", "-v"],
        ["builder", "du", "--verbose"],
        ["EVIL"], ["image", "EVIL"], ["images", "--EVIL"], ["images", "--format", "{{.EVIL}}"], ["help", "EVIL"],
        ["__complete", "rmi", ""], ["__complete", "rm", ""], ["explain", "EVIL"], ["explain"],
        ["--root", "EVIL/x", "images"],
        ["build", "from"], ["build", "ignore"], ["build", "step"], ["build", "--progress=tty", "step"],
        ["build", "--progress=plain", "step"], ["build", "--target", "EVIL", "step"], ["build", "EVIL"],
        ["build", "-f", "EVIL", "step"], ["build", "--build-arg", "EVIL=1", "step"], ["build", "unknown"],
        ["build", "-t", "EVIL", "step"], ["build", "--secret", "id=EVIL,src=EVIL", "step"],
        ["build", "--call=check", "unknown"],
        ["build", "--call=outline", "unknown"], ["build", "-o", "type=EVIL", "step"],
        ["build", "--platform", "EVIL", "step"],
    ]

    /// Makes images whose every text holds escape sequences, runs every command with pipes and on a terminal, and prints the
    /// commands whose output holds one of those sequences.
    private static let script = """
        import fcntl, hashlib, io, json, os, pty, select, subprocess, sys, tarfile
        program, commands = sys.argv[1], json.loads(sys.argv[2])
        title, csi, bell, turn = '\\x1b]0;x\\x07', '\\x9b31m', '\\x07\\x08', '\\u202e'
        evil = 'e' + title + csi + bell + turn + 'e'
        signs = [b'\\x1b]', b'\\xc2\\x9b', b'\\x07', b'\\x08', turn.encode()]
        def archive(path, files):
            with tarfile.open(path, 'w') as tar:
                for name, data in files:
                    info = tarfile.TarInfo(name); info.size = len(data); info.mode = 0o755
                    tar.addfile(info, io.BytesIO(data))
        def image(name, config, **more):
            layer = io.BytesIO()
            with tarfile.open(fileobj=layer, mode='w') as tar: tar.add('/bin/busybox', 'bin/sh')
            layer = layer.getvalue()
            document = {'os': 'linux', 'architecture': 'amd64' if os.uname().machine == 'x86_64' else 'arm64',
                'config': config, 'history': [{'created_by': evil, 'comment': evil, 'author': evil}], 'author': evil,
                'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(layer).hexdigest()]}}
            document.update(more)
            document = json.dumps(document).encode()
            manifest = [{'Config': 'c.json', 'RepoTags': [name + ':latest'], 'Layers': ['l.tar']}]
            archive('image.tar', [('c.json', document), ('l.tar', layer), ('manifest.json', json.dumps(manifest).encode())])
            subprocess.run([program, 'load', '-q', '-i', 'image.tar'], check=True, stdout=subprocess.DEVNULL)
        labels = {evil: evil, 'other': evil}
        image('plain', {'Env': ['PATH=/bin']})
        image('evil', {'Env': ['PATH=/bin', 'X=' + evil], 'Labels': labels, 'Cmd': [evil, evil], 'User': '', 'StopSignal': evil,
            'Volumes': {'/' + evil: {}}, 'WorkingDir': '/' + evil, 'ExposedPorts': {evil: {}}, 'OnBuild': []})
        image('foreign', {'Cmd': ['sh'], 'Labels': labels}, architecture=evil, variant=evil)
        subprocess.run([program, 'create', '--name', 'held', 'evil'], check=True, stdout=subprocess.DEVNULL)
        archive('bad.tar', [('manifest.json', json.dumps([{'Config': evil, 'RepoTags': [evil], 'Layers': [evil]}]).encode())])
        def context(name, dockerfile, ignore=None):
            os.mkdir(name)
            open(name + '/Dockerfile', 'w').write(dockerfile)
            if ignore: open(name + '/.dockerignore', 'w').write(ignore)
        context('from', 'FROM ' + evil + '\\n')
        context('ignore', 'FROM plain\\nCOPY . /\\n', '[' + evil + '\\n')
        context('step', 'FROM plain\\nLABEL a="' + evil + '"\\nCOPY ' + evil + ' /\\nRUN echo ' + evil + '; exit 3\\n')
        context('unknown', '# ' + evil + '\\nARG ' + evil + '=1\\nFROM plain AS x\\n' + evil + ' y\\n')
        quiet = dict(os.environ, TERM='xterm')
        def terminal(words):
            child, end = pty.fork()
            if child == 0:
                os.execvpe(program, [program] + words, quiet)
            seen = b''
            while True:
                try: piece = os.read(end, 65536)
                except OSError: piece = b''
                if not piece: break
                seen += piece
            os.waitpid(child, 0)
            os.close(end)
            return seen
        for words in commands:
            words = [word.replace('EVIL', evil) for word in words]
            shown = ' '.join(words).encode('unicode_escape').decode()
            done = subprocess.run([program] + words, stdin=subprocess.DEVNULL, capture_output=True, env=quiet)
            both = done.stdout + done.stderr
            if not both and done.returncode: print('nothing', shown)
            for place, seen in [('pipe', both), ('terminal', terminal(words))]:
                for sign in signs:
                    if sign in seen: print(place, shown, repr(sign)); break
        # What is asked for byte for byte is given so to a pipe, and shown safely on a terminal.
        words = ['inspect', '-f', '{{.Config.Labels.other}}', 'evil']
        done = subprocess.run([program] + words, capture_output=True)
        if done.stdout != evil.encode() + b'\\n': print('format', repr(done.stdout))
        seen = terminal(words)
        if any(sign in seen for sign in signs): print('format on a terminal', repr(seen))
        """

    @Test(.proves("A5: escape sequences and other")) func `are shown escaped by every command, to pipes and terminals`()
        async throws
    {
        let (slipway, directory) = try Slipway.isolated()
        let commands = String(decoding: try JSONEncoder().encode(Self.commands), as: UTF8.self)
        let result = try await runProgram(
            "python3",
            ["-c", Self.script, try Slipway.binary, commands],
            in: directory.url,
            environment: ["SLIPWAY_ROOT": slipway.root, "DOCKER_CONFIG": directory.path + "/config"]
        )
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.text.isEmpty, "\(result.text)")
    }
}
