PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('blobs and layers');
INSERT INTO grdb_migrations VALUES('images and containers');
INSERT INTO grdb_migrations VALUES('build cache');
INSERT INTO grdb_migrations VALUES('build history');
INSERT INTO grdb_migrations VALUES('downloads');
INSERT INTO grdb_migrations VALUES('images of several platforms');
INSERT INTO grdb_migrations VALUES('layers of remote caches');
INSERT INTO grdb_migrations VALUES('forms of layers');
INSERT INTO grdb_migrations VALUES('checked archives');
INSERT INTO grdb_migrations VALUES('generations');
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO blobs VALUES('sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',583,1795891912,1795891912);
CREATE TABLE tombstones (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE blob_sources (
    digest TEXT NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (digest, repository)
) WITHOUT ROWID;
CREATE TABLE layers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    diff_id TEXT,
    unpacked INTEGER NOT NULL DEFAULT 0,
    -- bytes of the files, and how many there are; NULL while unknown
    size INTEGER,
    entries INTEGER,
    -- bytes of the uncompressed archive; NULL while unknown
    archive_size INTEGER,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    usage_count INTEGER NOT NULL DEFAULT 0
);
INSERT INTO layers VALUES(1,'sha256:4eb357762fbcf22f0cc57422d069e10e945f6ea143939dc571c841b77ab0d67e',1,6,1,2048,1795891912,1795891912,0);
CREATE TABLE layer_blobs (
    layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    position INTEGER NOT NULL DEFAULT 0, annotations TEXT, recipe TEXT, checked INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (layer_id, digest)
) WITHOUT ROWID;
CREATE TABLE file_digests (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID;
CREATE TABLE images (
    id TEXT PRIMARY KEY NOT NULL,
    -- of the manifest as pulled or pushed, a blob too
    manifest_digest TEXT,
    manifest_media_type TEXT,
    -- the index the manifest was found in
    index_digest TEXT,
    -- from the configuration; NULL where it says nothing
    created INTEGER,
    -- JSON object of the configuration's labels
    labels TEXT NOT NULL DEFAULT '{}',
    os TEXT NOT NULL,
    architecture TEXT NOT NULL,
    variant TEXT,
    -- when it came into this store, and when it last got a name
    stored INTEGER NOT NULL,
    last_tagged INTEGER
);
INSERT INTO images VALUES('sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',NULL,NULL,NULL,1795891912,'{}','linux','amd64',NULL,1795891912,1795891912);
CREATE TABLE image_names (
    name TEXT PRIMARY KEY NOT NULL,
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    tagged INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO image_names VALUES('docker.io/library/old:1','sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',1795891912);
INSERT INTO image_names VALUES('docker.io/library/old:2','sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',1795891912);
CREATE TABLE image_digests (
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer_id INTEGER NOT NULL REFERENCES layers(id),
    PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
INSERT INTO image_layers VALUES('sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',0,1);
CREATE TABLE containers (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    -- may be gone: a stopped container keeps its layers when its image is removed by force
    image_id TEXT,
    image_name TEXT NOT NULL,
    created INTEGER NOT NULL,
    running INTEGER NOT NULL DEFAULT 0,
    configuration TEXT NOT NULL,
    state TEXT NOT NULL
);
INSERT INTO containers VALUES('79dbf86fb61c8d3f352f596b30ad43a40d89a5d2893d637779305aaab91df240','kept','sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8','old:1',1795891912,0,'{"arguments":["/greeting"],"environment":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","HOSTNAME=79dbf86fb61c"],"hasTerminal":false,"hostname":"79dbf86fb61c","imageID":"sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8","imageName":"old:1","isRemovedAtEnd":false,"keepsInput":false,"labels":{},"layers":[1],"mounts":[],"network":"bridge","options":{"addedCapabilities":[],"additionalGroups":[],"attachedStreams":["stdout","stderr"],"command":["/greeting"],"confinesSystemCalls":true,"declaredVolumes":[],"droppedCapabilities":[],"entrypoint":[],"exposedPorts":[],"gainsNoPrivileges":false,"hosts":[],"isPrivileged":false,"isRootReadOnly":false,"limits":[],"masksKernelFiles":true,"nameServers":[],"resolverOptions":[],"resources":{},"searchDomains":[],"usesInit":false},"ports":[],"stopTimeout":10,"user":"","workingDirectory":"/"}','{"isNested":false,"ports":[],"status":"created"}');
CREATE TABLE container_layers (
    container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer_id INTEGER NOT NULL REFERENCES layers(id),
    PRIMARY KEY (container_id, position)
) WITHOUT ROWID;
INSERT INTO container_layers VALUES('79dbf86fb61c8d3f352f596b30ad43a40d89a5d2893d637779305aaab91df240',0,1);
CREATE TABLE cache_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    canonical_key TEXT NOT NULL UNIQUE,
    slot TEXT,
    name TEXT NOT NULL DEFAULT '',
    origin TEXT,
    reason TEXT,
    outputs BLOB NOT NULL,
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    usage_count INTEGER NOT NULL DEFAULT 0
);
INSERT INTO cache_records VALUES(1,'sha256:aa5909209779944357f2cbdf085761358c5cc4c64286511c2fd0ef5e15956db9','be90843923a2/Dockerfile/0/1','[1/1] COPY greeting /greeting',NULL,NULL,X'7b22616c6961736573223a5b5d2c2263616e6f6e6963616c4b6579223a7b22646967657374223a227368613235363a61613539303932303937373939343433353766326362646630383537363133353863356363346336343238363531316332666430656635653135393536646239227d2c2263726561746564223a7b226e616e6f7365636f6e6473223a313739353839313931323433363930373031397d2c226465736372697074696f6e223a7b22636f6d706f6e656e7473223a5b7b226e616d65223a226b696e64222c2276616c7565223a5b3130322c3130352c3130382c3130315d7d2c7b226e616d65223a226f6e222c2276616c7565223a5b3131352c39392c3131342c39372c3131362c39392c3130345d7d2c7b226e616d65223a22726573756c74222c2276616c7565223a5b34385d7d2c7b226e616d65223a2266726f6d222c2276616c7565223a5b3130352c3131302c3131322c3131372c3131362c33322c34395d7d2c7b226e616d65223a22736f75726365206e616d65222c2276616c7565223a5b3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130335d7d2c7b226e616d65223a2264657374696e6174696f6e222c2276616c7565223a5b34372c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130335d7d2c7b226e616d65223a22666f6c6c6f77206c696e6b73222c2276616c7565223a5b3131362c3131342c3131372c3130315d7d2c7b226e616d65223a226469726563746f727920636f6e74656e7473222c2276616c7565223a5b3131362c3131342c3131372c3130315d7d2c7b226e616d65223a226372656174652064657374696e6174696f6e222c2276616c7565223a5b3131362c3131342c3131372c3130315d7d2c7b226e616d65223a22616c6c6f772077696c646361726473222c2276616c7565223a5b3131362c3131342c3131372c3130315d7d2c7b226e616d65223a22616c6c6f77206e6f206d61746368222c2276616c7565223a5b3131362c3131342c3131372c3130315d7d5d2c22696e70757473223a5b7b22636f6e747269627574696f6e223a7b22636f6e74656e74223a7b225f30223a7b22646967657374223a227368613235363a61316566376139366164333938323330326437336366383436626537363832633962366337663964373364333966313234616638616461643165633433636562222c22656e7472696573223a5b5d7d2c2273656c6563746f72223a5b34372c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130335d7d7d2c2273746570223a225b696e7465726e616c5d206c6f6164206275696c6420636f6e74657874227d5d7d2c226c61796572436f756e7473223a5b315d2c226e616d65223a225b312f315d20434f5059206772656574696e67202f6772656574696e67222c226f726967696e223a7b22646f636b657266696c65223a22446f636b657266696c65222c22696e737472756374696f6e223a312c226c696e65223a322c22736c6f74223a226265393038343339323361322f446f636b657266696c652f302f31222c227374616765223a2230222c2274657874223a5b36372c37392c38302c38392c33322c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130332c33322c34372c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130335d7d2c22726561736f6e223a7b226e6f4561726c6965725265636f7264223a7b7d7d7d',1795891912,1795891912,0);
CREATE TABLE cache_keys (
    key TEXT PRIMARY KEY NOT NULL,
    record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO cache_keys VALUES('sha256:aa5909209779944357f2cbdf085761358c5cc4c64286511c2fd0ef5e15956db9',1);
CREATE TABLE cache_layers (
    record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
    output INTEGER NOT NULL,
    position INTEGER NOT NULL,
    layer_id INTEGER NOT NULL REFERENCES layers(id),
    PRIMARY KEY (record_id, output, position)
) WITHOUT ROWID;
INSERT INTO cache_layers VALUES(1,0,0,1);
CREATE TABLE cache_blobs (
    record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (record_id, digest)
) WITHOUT ROWID;
CREATE TABLE cache_components (
    record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (record_id, position)
) WITHOUT ROWID;
CREATE TABLE content_entries (
    digest TEXT PRIMARY KEY NOT NULL,
    entries BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO content_entries VALUES('sha256:a1ef7a96ad3982302d73cf846be7682c9b6c7f9d73d39f124af8adad1ec43ceb',X'00a40100000000000000000000015891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03080000006772656574696e67');
CREATE TABLE cache_contents (
    record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
    input INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (record_id, input)
) WITHOUT ROWID;
INSERT INTO cache_contents VALUES(1,0,'sha256:a1ef7a96ad3982302d73cf846be7682c9b6c7f9d73d39f124af8adad1ec43ceb');
CREATE TABLE build_history (
    id TEXT PRIMARY KEY NOT NULL,
    started_ns INTEGER NOT NULL,
    completed_ns INTEGER,
    -- running, completed, failed, canceled
    status TEXT NOT NULL,
    -- identity of what was built (context and Dockerfile), so that explain compares like with like
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    image_id TEXT,
    record BLOB NOT NULL
);
INSERT INTO build_history VALUES('06547b354e63a74f59fbf56e',1795891912405884846,1795891912500454874,'completed','/tmp/old-store/context','/tmp/old-store/context','sha256:a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8',X'7b22636f6d706c65746564223a7b226e616e6f7365636f6e6473223a313739353839313931323530303435343837347d2c226964223a22303635343762333534653633613734663539666266353665222c22696d6167654944223a227368613235363a61386666643538643439616262636334313034613161333836346635646430623335386464643065346431326138386530626335376661326435376334626138222c226e616d65223a222f746d702f6f6c642d73746f72652f636f6e74657874222c2273746172746564223a7b226e616e6f7365636f6e6473223a313739353839313931323430353838343834367d2c22737461747573223a22636f6d706c65746564222c227374657073223a5b7b226e616d65223a225b696e7465726e616c5d206c6f6164206275696c6420636f6e74657874222c226f7574636f6d65223a7b2272616e223a7b225f30223a7b226e65766572436163686564223a7b7d7d7d7d2c227365636f6e6473223a302e3030303134303134392c22766572746578223a227368613235363a39323666316431646331636532306164623766343064326663636535663666363535663931613831663163303863353430353262333861303733613238643162227d2c7b226e616d65223a225b312f315d20434f5059206772656574696e67202f6772656574696e67222c226f726967696e223a7b22646f636b657266696c65223a22446f636b657266696c65222c22696e737472756374696f6e223a312c226c696e65223a322c22736c6f74223a226265393038343339323361322f446f636b657266696c652f302f31222c227374616765223a2230222c2274657874223a5b36372c37392c38302c38392c33322c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130332c33322c34372c3130332c3131342c3130312c3130312c3131362c3130352c3131302c3130335d7d2c226f7574636f6d65223a7b2272616e223a7b225f30223a7b226e6f4561726c6965725265636f7264223a7b7d7d7d7d2c227365636f6e6473223a302e3033373134303730352c22766572746578223a227368613235363a37616338613337323764643561316364666164613762666531313730303731303061343539366339303333656334373666323037363562333062616430343862227d5d7d');
CREATE TABLE downloads (
    request TEXT PRIMARY KEY NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT,
    last_modified TEXT,
    -- the file name that the server gave
    name BLOB,
    checked INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE image_members (
    index_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    image_id TEXT NOT NULL REFERENCES images(id),
    -- what the index says of the member; its manifest is a blob
    manifest_digest TEXT NOT NULL,
    PRIMARY KEY (index_id, position)
) WITHOUT ROWID;
CREATE TABLE remote_layers (
    layer_id INTEGER PRIMARY KEY NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
    source TEXT NOT NULL
);
CREATE TABLE derived_layers (
    layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
    recipe TEXT NOT NULL,
    derived_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
    PRIMARY KEY (layer_id, recipe)
) WITHOUT ROWID;
CREATE TABLE generation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store TEXT NOT NULL,
    number INTEGER NOT NULL,
    tag TEXT NOT NULL,
    previous TEXT NOT NULL
);
INSERT INTO generation VALUES(1,'f8be6183493b2f2238b6ff2cbe0942df',8,'8258ddf4808e5b62','cc9101c57c00bba8');
CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    line TEXT NOT NULL
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('layers',1);
INSERT INTO sqlite_sequence VALUES('cache_records',1);
CREATE INDEX layers_diff_id ON layers(diff_id);
CREATE INDEX layer_blobs_digest ON layer_blobs(digest);
CREATE INDEX image_names_image ON image_names(image_id);
CREATE INDEX image_digests_image ON image_digests(image_id);
CREATE INDEX image_layers_layer ON image_layers(layer_id);
CREATE INDEX images_manifest ON images(manifest_digest);
CREATE INDEX images_index ON images(index_digest);
CREATE INDEX containers_image ON containers(image_id);
CREATE INDEX container_layers_layer ON container_layers(layer_id);
CREATE INDEX cache_records_slot ON cache_records(slot, last_used);
CREATE INDEX cache_keys_record ON cache_keys(record_id);
CREATE INDEX cache_layers_layer ON cache_layers(layer_id);
CREATE INDEX cache_blobs_digest ON cache_blobs(digest);
CREATE INDEX cache_contents_digest ON cache_contents(digest);
CREATE INDEX build_history_started ON build_history(started_ns);
CREATE INDEX build_history_subject ON build_history(subject, started_ns);
CREATE INDEX image_members_image ON image_members(image_id);
CREATE INDEX image_members_manifest ON image_members(manifest_digest);
CREATE INDEX derived_layers_derived ON derived_layers(derived_id);
CREATE TRIGGER record_layers_insert AFTER INSERT ON layers BEGIN INSERT INTO changes (line) SELECT '+layers' || char(9) || json_array(NEW.id) || char(9) || json_object('id', NEW.id, 'diff_id', NEW.diff_id, 'unpacked', NEW.unpacked, 'size', NEW.size, 'entries', NEW.entries, 'archive_size', NEW.archive_size, 'created', NEW.created, 'last_used', NEW.last_used, 'usage_count', NEW.usage_count); END;
CREATE TRIGGER record_layers_update AFTER UPDATE ON layers BEGIN INSERT INTO changes (line) SELECT '-layers' || char(9) || json_array(OLD.id) WHERE json_array(OLD.id) <> json_array(NEW.id); INSERT INTO changes (line) SELECT '+layers' || char(9) || json_array(NEW.id) || char(9) || json_object('id', NEW.id, 'diff_id', NEW.diff_id, 'unpacked', NEW.unpacked, 'size', NEW.size, 'entries', NEW.entries, 'archive_size', NEW.archive_size, 'created', NEW.created, 'last_used', NEW.last_used, 'usage_count', NEW.usage_count); END;
CREATE TRIGGER record_layers_delete AFTER DELETE ON layers BEGIN INSERT INTO changes (line) SELECT '-layers' || char(9) || json_array(OLD.id); END;
CREATE TRIGGER record_layer_blobs_insert AFTER INSERT ON layer_blobs BEGIN INSERT INTO changes (line) SELECT '+layer_blobs' || char(9) || json_array(NEW.layer_id, NEW.digest) || char(9) || json_object('layer_id', NEW.layer_id, 'digest', NEW.digest, 'media_type', NEW.media_type, 'size', NEW.size, 'position', NEW.position, 'annotations', NEW.annotations, 'recipe', NEW.recipe, 'checked', NEW.checked); END;
CREATE TRIGGER record_layer_blobs_update AFTER UPDATE ON layer_blobs BEGIN INSERT INTO changes (line) SELECT '-layer_blobs' || char(9) || json_array(OLD.layer_id, OLD.digest) WHERE json_array(OLD.layer_id, OLD.digest) <> json_array(NEW.layer_id, NEW.digest); INSERT INTO changes (line) SELECT '+layer_blobs' || char(9) || json_array(NEW.layer_id, NEW.digest) || char(9) || json_object('layer_id', NEW.layer_id, 'digest', NEW.digest, 'media_type', NEW.media_type, 'size', NEW.size, 'position', NEW.position, 'annotations', NEW.annotations, 'recipe', NEW.recipe, 'checked', NEW.checked); END;
CREATE TRIGGER record_layer_blobs_delete AFTER DELETE ON layer_blobs BEGIN INSERT INTO changes (line) SELECT '-layer_blobs' || char(9) || json_array(OLD.layer_id, OLD.digest); END;
CREATE TRIGGER record_remote_layers_insert AFTER INSERT ON remote_layers BEGIN INSERT INTO changes (line) SELECT '+remote_layers' || char(9) || json_array(NEW.layer_id) || char(9) || json_object('layer_id', NEW.layer_id, 'source', NEW.source); END;
CREATE TRIGGER record_remote_layers_update AFTER UPDATE ON remote_layers BEGIN INSERT INTO changes (line) SELECT '-remote_layers' || char(9) || json_array(OLD.layer_id) WHERE json_array(OLD.layer_id) <> json_array(NEW.layer_id); INSERT INTO changes (line) SELECT '+remote_layers' || char(9) || json_array(NEW.layer_id) || char(9) || json_object('layer_id', NEW.layer_id, 'source', NEW.source); END;
CREATE TRIGGER record_remote_layers_delete AFTER DELETE ON remote_layers BEGIN INSERT INTO changes (line) SELECT '-remote_layers' || char(9) || json_array(OLD.layer_id); END;
CREATE TRIGGER record_derived_layers_insert AFTER INSERT ON derived_layers BEGIN INSERT INTO changes (line) SELECT '+derived_layers' || char(9) || json_array(NEW.layer_id, NEW.recipe) || char(9) || json_object('layer_id', NEW.layer_id, 'recipe', NEW.recipe, 'derived_id', NEW.derived_id); END;
CREATE TRIGGER record_derived_layers_update AFTER UPDATE ON derived_layers BEGIN INSERT INTO changes (line) SELECT '-derived_layers' || char(9) || json_array(OLD.layer_id, OLD.recipe) WHERE json_array(OLD.layer_id, OLD.recipe) <> json_array(NEW.layer_id, NEW.recipe); INSERT INTO changes (line) SELECT '+derived_layers' || char(9) || json_array(NEW.layer_id, NEW.recipe) || char(9) || json_object('layer_id', NEW.layer_id, 'recipe', NEW.recipe, 'derived_id', NEW.derived_id); END;
CREATE TRIGGER record_derived_layers_delete AFTER DELETE ON derived_layers BEGIN INSERT INTO changes (line) SELECT '-derived_layers' || char(9) || json_array(OLD.layer_id, OLD.recipe); END;
CREATE TRIGGER record_blob_sources_insert AFTER INSERT ON blob_sources BEGIN INSERT INTO changes (line) SELECT '+blob_sources' || char(9) || json_array(NEW.digest, NEW.repository) || char(9) || json_object('digest', NEW.digest, 'repository', NEW.repository); END;
CREATE TRIGGER record_blob_sources_update AFTER UPDATE ON blob_sources BEGIN INSERT INTO changes (line) SELECT '-blob_sources' || char(9) || json_array(OLD.digest, OLD.repository) WHERE json_array(OLD.digest, OLD.repository) <> json_array(NEW.digest, NEW.repository); INSERT INTO changes (line) SELECT '+blob_sources' || char(9) || json_array(NEW.digest, NEW.repository) || char(9) || json_object('digest', NEW.digest, 'repository', NEW.repository); END;
CREATE TRIGGER record_blob_sources_delete AFTER DELETE ON blob_sources BEGIN INSERT INTO changes (line) SELECT '-blob_sources' || char(9) || json_array(OLD.digest, OLD.repository); END;
CREATE TRIGGER record_images_insert AFTER INSERT ON images BEGIN INSERT INTO changes (line) SELECT '+images' || char(9) || json_array(NEW.id) || char(9) || json_object('id', NEW.id, 'manifest_digest', NEW.manifest_digest, 'manifest_media_type', NEW.manifest_media_type, 'index_digest', NEW.index_digest, 'created', NEW.created, 'labels', NEW.labels, 'os', NEW.os, 'architecture', NEW.architecture, 'variant', NEW.variant, 'stored', NEW.stored, 'last_tagged', NEW.last_tagged); END;
CREATE TRIGGER record_images_update AFTER UPDATE ON images BEGIN INSERT INTO changes (line) SELECT '-images' || char(9) || json_array(OLD.id) WHERE json_array(OLD.id) <> json_array(NEW.id); INSERT INTO changes (line) SELECT '+images' || char(9) || json_array(NEW.id) || char(9) || json_object('id', NEW.id, 'manifest_digest', NEW.manifest_digest, 'manifest_media_type', NEW.manifest_media_type, 'index_digest', NEW.index_digest, 'created', NEW.created, 'labels', NEW.labels, 'os', NEW.os, 'architecture', NEW.architecture, 'variant', NEW.variant, 'stored', NEW.stored, 'last_tagged', NEW.last_tagged); END;
CREATE TRIGGER record_images_delete AFTER DELETE ON images BEGIN INSERT INTO changes (line) SELECT '-images' || char(9) || json_array(OLD.id); END;
CREATE TRIGGER record_image_names_insert AFTER INSERT ON image_names BEGIN INSERT INTO changes (line) SELECT '+image_names' || char(9) || json_array(NEW.name) || char(9) || json_object('name', NEW.name, 'image_id', NEW.image_id, 'tagged', NEW.tagged); END;
CREATE TRIGGER record_image_names_update AFTER UPDATE ON image_names BEGIN INSERT INTO changes (line) SELECT '-image_names' || char(9) || json_array(OLD.name) WHERE json_array(OLD.name) <> json_array(NEW.name); INSERT INTO changes (line) SELECT '+image_names' || char(9) || json_array(NEW.name) || char(9) || json_object('name', NEW.name, 'image_id', NEW.image_id, 'tagged', NEW.tagged); END;
CREATE TRIGGER record_image_names_delete AFTER DELETE ON image_names BEGIN INSERT INTO changes (line) SELECT '-image_names' || char(9) || json_array(OLD.name); END;
CREATE TRIGGER record_image_digests_insert AFTER INSERT ON image_digests BEGIN INSERT INTO changes (line) SELECT '+image_digests' || char(9) || json_array(NEW.repository, NEW.digest) || char(9) || json_object('repository', NEW.repository, 'digest', NEW.digest, 'image_id', NEW.image_id); END;
CREATE TRIGGER record_image_digests_update AFTER UPDATE ON image_digests BEGIN INSERT INTO changes (line) SELECT '-image_digests' || char(9) || json_array(OLD.repository, OLD.digest) WHERE json_array(OLD.repository, OLD.digest) <> json_array(NEW.repository, NEW.digest); INSERT INTO changes (line) SELECT '+image_digests' || char(9) || json_array(NEW.repository, NEW.digest) || char(9) || json_object('repository', NEW.repository, 'digest', NEW.digest, 'image_id', NEW.image_id); END;
CREATE TRIGGER record_image_digests_delete AFTER DELETE ON image_digests BEGIN INSERT INTO changes (line) SELECT '-image_digests' || char(9) || json_array(OLD.repository, OLD.digest); END;
CREATE TRIGGER record_image_layers_insert AFTER INSERT ON image_layers BEGIN INSERT INTO changes (line) SELECT '+image_layers' || char(9) || json_array(NEW.image_id, NEW.position) || char(9) || json_object('image_id', NEW.image_id, 'position', NEW.position, 'layer_id', NEW.layer_id); END;
CREATE TRIGGER record_image_layers_update AFTER UPDATE ON image_layers BEGIN INSERT INTO changes (line) SELECT '-image_layers' || char(9) || json_array(OLD.image_id, OLD.position) WHERE json_array(OLD.image_id, OLD.position) <> json_array(NEW.image_id, NEW.position); INSERT INTO changes (line) SELECT '+image_layers' || char(9) || json_array(NEW.image_id, NEW.position) || char(9) || json_object('image_id', NEW.image_id, 'position', NEW.position, 'layer_id', NEW.layer_id); END;
CREATE TRIGGER record_image_layers_delete AFTER DELETE ON image_layers BEGIN INSERT INTO changes (line) SELECT '-image_layers' || char(9) || json_array(OLD.image_id, OLD.position); END;
CREATE TRIGGER record_image_members_insert AFTER INSERT ON image_members BEGIN INSERT INTO changes (line) SELECT '+image_members' || char(9) || json_array(NEW.index_id, NEW.position) || char(9) || json_object('index_id', NEW.index_id, 'position', NEW.position, 'image_id', NEW.image_id, 'manifest_digest', NEW.manifest_digest); END;
CREATE TRIGGER record_image_members_update AFTER UPDATE ON image_members BEGIN INSERT INTO changes (line) SELECT '-image_members' || char(9) || json_array(OLD.index_id, OLD.position) WHERE json_array(OLD.index_id, OLD.position) <> json_array(NEW.index_id, NEW.position); INSERT INTO changes (line) SELECT '+image_members' || char(9) || json_array(NEW.index_id, NEW.position) || char(9) || json_object('index_id', NEW.index_id, 'position', NEW.position, 'image_id', NEW.image_id, 'manifest_digest', NEW.manifest_digest); END;
CREATE TRIGGER record_image_members_delete AFTER DELETE ON image_members BEGIN INSERT INTO changes (line) SELECT '-image_members' || char(9) || json_array(OLD.index_id, OLD.position); END;
CREATE TRIGGER record_containers_insert AFTER INSERT ON containers BEGIN INSERT INTO changes (line) SELECT '*' || NEW.id; END;
CREATE TRIGGER record_containers_update AFTER UPDATE ON containers BEGIN INSERT INTO changes (line) SELECT '*' || NEW.id; END;
CREATE TRIGGER record_containers_delete AFTER DELETE ON containers BEGIN INSERT INTO changes (line) SELECT '*' || OLD.id; END;
CREATE TRIGGER record_container_layers_insert AFTER INSERT ON container_layers BEGIN INSERT INTO changes (line) SELECT '*' || NEW.container_id; END;
CREATE TRIGGER record_container_layers_update AFTER UPDATE ON container_layers BEGIN INSERT INTO changes (line) SELECT '*' || NEW.container_id; END;
CREATE TRIGGER record_container_layers_delete AFTER DELETE ON container_layers BEGIN INSERT INTO changes (line) SELECT '*' || OLD.container_id; END;
COMMIT;
PRAGMA user_version = 10;
