import Foundation
import Proofs
import Testing

/// A store or an image with many of something: what commands cost may grow as fast as it, and no faster.
///
/// Measured is the processor time of the program, which other work of the machine does not add to. Noise only makes a time longer:
/// the least of several is compared, so that measuring again cannot hide a square, which takes sixteen times as long.
@Suite(.requires(.root, .program("python3"), .program("crun")))
struct `Four times as many` {
    /// `MANY` is the archive of an image with many of something, `IMAGE` its name.
    private static let cases: [(kind: String, size: Int, commands: [[String]])] = [
        (
            "labels", 50_000,
            [
                ["load", "-i", "MANY"], ["images"], ["images", "-f", "label=l1"], ["inspect", "IMAGE"],
                ["history", "IMAGE"],
                ["system", "df"], ["build", "-q", "context"], ["create", "IMAGE"], ["ps", "-a"],
            ]
        ),
        (
            "variables", 25_000,
            [
                ["load", "-i", "MANY"], ["inspect", "IMAGE"], ["build", "-q", "context"],
                ["create", "-e", "V1=x", "IMAGE"],
            ]
        ),
        ("history", 20_000, [["load", "-i", "MANY"], ["history", "IMAGE"], ["build", "-q", "context"]]),
        (
            "tags", 5_000,
            [
                ["load", "-i", "MANY"], ["images"], ["system", "df", "-v"], ["save", "-o", "saved", "many"],
                ["inspect", "IMAGE"],
            ]
        ),
        ("images", 5_000, [["images"], ["images", "-f", "label=l1"], ["system", "df"]]),
        ("unused images", 500, [["image", "prune", "-f"]]),
        ("containers", 1_000, [["ps", "-a"], ["ps", "-aq"], ["system", "df"], ["images"]]),
    ]

    private static let script = """
        import hashlib, io, json, os, shutil, sqlite3, subprocess, sys, tarfile
        program, kind, size, commands = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode='w') as tar: tar.addfile(tarfile.TarInfo('x'))
        layer = layer.getvalue()
        def archive(path, count):
            config, tags = {'Cmd': ['x'], 'Labels': {'l1': ''}}, ['many:t0']
            history = [{'created_by': 'x'}]
            if kind == 'labels': config['Labels'] = {'l%d' % i: 'v' for i in range(count)}
            if kind == 'variables': config['Env'] = ['V%d=v' % i for i in range(count)]
            if kind == 'history': history += [{'created_by': 'step %d' % i, 'empty_layer': True} for i in range(count)]
            if kind == 'tags': tags = ['many:t%d' % i for i in range(count)]
            machine = 'amd64' if os.uname().machine == 'x86_64' else 'arm64'
            document = json.dumps({'os': 'linux', 'architecture': machine, 'config': config, 'history': history,
                'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(layer).hexdigest()]}}).encode()
            manifest = json.dumps([{'Config': 'c.json', 'RepoTags': tags, 'Layers': ['l.tar']}]).encode()
            with tarfile.open(path, 'w') as tar:
                for name, data in [('c.json', document), ('l.tar', layer), ('manifest.json', manifest)]:
                    info = tarfile.TarInfo(name); info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        def run(root, words):
            # The time of this child alone, and of what it waited for.
            with open('out', 'w') as out:
                child = subprocess.Popen([program] + words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    env=dict(os.environ, SLIPWAY_ROOT=root))
                _, status, usage = os.wait4(child.pid, 0)
            child.returncode = 0
            if status: sys.exit('%s: %s' % (words, open('out').read()[-2000:]))
            return usage.ru_utime + usage.ru_stime
        def copies(path, count):
            db = sqlite3.connect(path)
            def multiply(table, key, change):
                columns = [row[1] for row in db.execute('PRAGMA table_info(%s)' % table)]
                for row in db.execute('SELECT * FROM ' + table).fetchall():
                    rows = []
                    for i in range(count):
                        one = dict(zip(columns, row)); change(one, i); rows.append([one[c] for c in columns])
                    db.executemany('INSERT INTO %s VALUES (%s)' % (table, ','.join('?' * len(columns))), rows)
            def image(row, column, i): row[column] = 'sha256:%064x' % i
            def container(row, column, i): row[column] = '%064x' % i
            if kind in ['images', 'unused images']:
                multiply('images', 'id', lambda row, i: image(row, 'id', i))
                multiply('image_layers', 'image_id', lambda row, i: image(row, 'image_id', i))
            if kind == 'containers':
                def change(row, i): container(row, 'id', i); row['name'] = 'c%d' % i
                multiply('containers', 'id', change)
                multiply('container_layers', 'container_id', lambda row, i: container(row, 'container_id', i))
            db.commit(); db.close()
            # Another program has written the pages: their sums are not known.
            if os.path.exists(path + '-sums'): os.remove(path + '-sums')
        os.mkdir('context')
        open('context/Dockerfile', 'w').write('FROM many:t0\\nLABEL new=x\\nENV new=x\\n')
        few, many = size // 2, 2 * size
        for count in [few, many]:
            archive('%d.tar' % count, count)
            run('store%d' % count, ['load', '-q', '-i', '%d.tar' % count])
            if kind == 'containers': run('store%d' % count, ['create', 'many:t0'])
            copies('store%d/slipway.db' % count, count)
        def cost(words, count):
            root = 'store%d' % count
            if 'prune' in words:
                shutil.rmtree('copy', ignore_errors=True); shutil.copytree(root, 'copy'); root = 'copy'
            words = [w.replace('MANY', '%d.tar' % count).replace('IMAGE', 'many:t0') for w in words]
            return run(root, words)
        start = min(run('store%d' % few, ['version']) for _ in range(3))
        for words in commands:
            small = large = 1e9
            for attempt in range(6):
                small, large = min(small, cost(words, few)), min(large, cost(words, many))
                growth = max(large - start, 1e-3) / max(small - start, 1e-3)
                # What hardly costs more than starting the program says nothing.
                if growth < 8 or large < start + 0.03: break
            else: print(kind, ' '.join(words), 'grows by %.2f: from %.3f s to %.3f s' % (growth, small, large))
        """

    @Test(.proves("A3: an image, an archive, a Dockerfile"), arguments: cases.map(\.kind))
    func `of something in an image or a store cost commands less than eight times the processor time`(
        kind: String
    ) async throws {
        let (_, size, commands) = try #require(Self.cases.first { $0.kind == kind })
        let scratch = try TemporaryDirectory()
        let words = String(decoding: try JSONEncoder().encode(commands), as: UTF8.self)
        let result = try await runProgram(
            "python3",
            ["-c", Self.script, try Slipway.binary, kind, "\(size)", words],
            in: scratch.url
        )
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.text.isEmpty, "\(result.text)")
    }
}
