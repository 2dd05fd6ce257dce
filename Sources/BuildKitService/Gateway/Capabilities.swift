import BuildKitProto
import SwiftProtobuf

/// What the daemon tells clients that it can do: all that is implemented, and nothing else.
enum Capabilities {
    /// Of what frontends may ask.
    static let gateway = capabilities([
        "solve.base", "solve.inlinereturn", "resolveimage", "resolveimage.resolvemode", "readfile", "readdir",
        "statfile", "return", "returnmap", "proto.refarray", "reference.output", "reference.attestations",
        "frontend.inputs", "frontend.caps",
        "gateway.solve.metadata", "gateway.solve.evaluate", "gateway.evaluate", "gateway.warnings", "importcaches",
        "source.metaresolver", "source.metaresolver.http.checksumrequest", "source.metaresolver.image.attestations",
        "gateway.exec", "gateway.exec.extrahosts",
        "gateway.exec.secretenv", "gateway.exec.signals", "gateway.exec.filesystem",
    ])

    /// Of graphs.
    static let graphs = capabilities([
        "source.image", "source.image.resolvemode", "source.image.layerlimit", "source.image.checksum", "source.local",
        "source.local.unique",
        "source.local.sessionid", "source.local.includepatterns", "source.local.followpaths",
        "source.local.excludepatterns", "source.local.sharedkeyhint", "source.local.differ",
        "source.local.metadatatransfer", "source.git", "source.git.keepgitdir",
        "source.git.fullurl", "source.git.subdir", "source.git.checksum", "source.git.httpauth",
        "source.git.knownsshhosts", "source.git.mountsshsock", "source.git.skipsubmodules", "source.git.mtime",
        "source.git.fetchbycommit", "source.git.bundle", "source.git.checkoutbundle", "source.git.signatureverify",
        "source.http", "source.http.checksum",
        "source.http.auth", "source.http.header", "source.http.signatureverify",
        "source.http.perm", "soruce.http.uidgid", "source.ocilayout", "source.buildop.llbfilename",
        "exec.meta.base", "exec.meta.cgroup.parent",
        "exec.meta.network", "exec.meta.proxyenv", "exec.meta.security", "exec.meta.security.devices.v1",
        "exec.meta.setsdefaultpath", "exec.meta.ulimit", "exec.meta.cdi", "exec.meta.removemountstubs.recursive",
        "exec.meta.linux.resources", "exec.mount.bind", "exec.mount.bind.readwrite-nooutput", "exec.mount.cache",
        "exec.mount.cache.sharing", "exec.mount.selector", "exec.mount.tmpfs", "exec.mount.tmpfs.size",
        "exec.mount.secret", "exec.mount.ssh", "exec.secretenv", "exec.validexitcode", "file.base",
        "file.rm.wildcard", "file.copy.includeexcludepatterns", "file.copy.requiredpaths", "file.rm.nofollowsymlink",
        "file.copy.alwaysreplaceexistingdestpaths", "file.copy.modestring", "file.symlink.create", "constraints",
        "platform", "meta.ignorecache", "meta.description", "meta.exportcache", "cache.s3", "mergeop", "diffop",
        "exporter.image.annotations", "exporter.image.attestations", "exporter.sourcedateepoch", "exporter.multiple",
        "exporter.session", "passthroughop", "source.imageblob", "source.image.checksum", "source.image.layerlimit",
        "source.policy", "source.policy.session", "gc.freespacefilter", "history.filter",
    ])

    /// Of the frontend that is built in.
    static let frontend: Set<String> = [
        "moby.buildkit.frontend.inputs", "moby.buildkit.frontend.subrequests", "moby.buildkit.frontend.contexts",
        "moby.buildkit.frontend.gitquerystring",
    ]

    private static func capabilities(_ names: [String]) -> [Moby_Buildkit_V1_Apicaps_APICap] {
        names.map { name in
            .with {
                $0.id = name
                $0.enabled = true
            }
        }
    }
}
