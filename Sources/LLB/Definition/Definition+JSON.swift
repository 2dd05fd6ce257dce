import BuildKitProto
import FoundationEssentials
internal import OCI
import SwiftProtobuf
package import Text

extension Definition {
    /// The whole graph as a document, as BuildKit's `frontend.convertllb` gives it.
    ///
    /// Operations are written by the rules of protobuf's JSON: fields with their default value are left out, numbers of 64 bits are
    /// strings, bytes are base64. Metadata is written by those of Go's own encoder, as there.
    package func json() throws(LLBError) -> JSONValue {
        let message = try message()
        var operations: [(String, JSONValue)] = []
        for bytes in message.def {
            let operation: Pb_Op
            do { operation = try Pb_Op(serializedBytes: bytes) } catch { throw .malformed(what: "an operation") }
            operations.append((Digest.sha256(of: Array(bytes)).description, operation.json))
        }
        return .object([
            .init("def", object(operations)),
            .init("metadata", object(message.metadata.map { ($0, $1.json) })),
            .init("source", message.hasSource ? message.source.json : .object([])),
        ])
    }
}

/// Members that are there only where they say something.
private func members(_ pairs: (String, JSONValue?)...) -> JSONValue {
    .object(pairs.compactMap { name, value in value.map { JSONValue.Member(name, $0) } })
}

/// A map, in the order of its keys.
private func object(_ pairs: [(String, JSONValue)]) -> JSONValue {
    .object(pairs.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }.map { JSONValue.Member($0, $1) })
}

// The values of fields; nil where they are the default.

private func text(_ data: Data) -> JSONValue? { data.isEmpty ? nil : .string(String(decoding: data, as: UTF8.self)) }
private func text(_ string: String) -> JSONValue? { string.isEmpty ? nil : .string(string) }
private func base64(_ data: Data) -> JSONValue? { data.isEmpty ? nil : .bytes(Array(data)) }
private func flag(_ value: Bool) -> JSONValue? { value ? .bool(true) : nil }
private func number<Number: FixedWidthInteger>(_ value: Number) -> JSONValue? {
    if value == 0 { return nil }
    return Number.bitWidth > 32 ? .string("\(value)") : .numeral("\(value)")
}
private func list<Element>(_ elements: [Element], _ json: (Element) -> JSONValue) -> JSONValue? {
    elements.isEmpty ? nil : .array(elements.map(json))
}
private func texts(_ list: [Data]) -> JSONValue? {
    list.isEmpty ? nil : .array(list.map { .string(String(decoding: $0, as: UTF8.self)) })
}

extension Pb_Op {
    fileprivate var json: JSONValue {
        var result: [JSONValue.Member] = []
        if let inputs = list(inputs, { members(("digest", text($0.digest)), ("index", number($0.index))) }) {
            result.append(.init("inputs", inputs))
        }
        switch op {
        case .exec(let exec)?: result.append(.init("exec", exec.json))
        case .source(let source)?:
            let attributes = source.attrs.map { ($0, JSONValue.string(String(decoding: $1, as: UTF8.self))) }
            let json = members(
                ("identifier", text(source.identifier)),
                ("attrs", attributes.isEmpty ? nil : object(attributes))
            )
            result.append(.init("source", json))
        case .file(let file)?:
            result.append(.init("file", members(("actions", list(file.actions) { $0.json }))))
        case .merge(let merge)?:
            let inputs = list(merge.inputs) { members(("input", number($0.input))) }
            result.append(.init("merge", members(("inputs", inputs))))
        case .diff(let diff)?:
            let lower = diff.hasLower ? members(("input", number(diff.lower.input))) : nil
            let upper = diff.hasUpper ? members(("input", number(diff.upper.input))) : nil
            result.append(.init("diff", members(("lower", lower), ("upper", upper))))
        // Our own definitions have none of these.
        case .build?, .passthrough?, nil: break
        }
        if hasPlatform { result.append(.init("platform", platform.json)) }
        if hasConstraints {
            result.append(.init("constraints", members(("filter", list(constraints.filter) { .string($0) }))))
        }
        return .object(result)
    }
}

extension Pb_Platform {
    fileprivate var json: JSONValue {
        members(
            ("Architecture", text(architecture)),
            ("OS", text(os)),
            ("Variant", text(variant)),
            ("OSVersion", text(osversion)),
            ("OSFeatures", list(osfeatures) { .string($0) })
        )
    }
}

// MARK: Exec

extension Pb_ExecOp {
    fileprivate var json: JSONValue {
        members(
            ("meta", hasMeta ? meta.json : nil),
            ("mounts", list(mounts) { $0.json }),
            ("network", network == .unset ? nil : .string(network == .host ? "HOST" : "NONE")),
            ("security", security == .sandbox ? nil : .string("INSECURE")),
            (
                "secretenv",
                list(secretenv) {
                    members(("ID", text($0.id)), ("name", text($0.name)), ("optional", flag($0.optional)))
                }
            ),
            ("cdiDevices", list(cdiDevices) { members(("name", text($0.name)), ("optional", flag($0.optional))) })
        )
    }
}

extension Pb_Meta {
    fileprivate var json: JSONValue {
        members(
            ("args", texts(args)),
            ("env", texts(env)),
            ("cwd", text(cwd)),
            ("user", text(user)),
            ("proxyEnv", hasProxyEnv ? proxyEnv.json : nil),
            ("extraHosts", list(extraHosts) { members(("Host", text($0.host)), ("IP", text($0.ip))) }),
            ("hostname", text(hostname)),
            (
                "ulimit",
                list(ulimit) {
                    members(("Name", text($0.name)), ("Soft", number($0.soft)), ("Hard", number($0.hard)))
                }
            ),
            ("cgroupParent", text(cgroupParent)),
            ("removeMountStubsRecursive", flag(removeMountStubsRecursive)),
            ("validExitCodes", list(validExitCodes) { .numeral("\($0)") })
        )
    }
}

extension Pb_ProxyEnv {
    fileprivate var json: JSONValue {
        members(
            ("httpProxy", text(httpProxy)),
            ("httpsProxy", text(httpsProxy)),
            ("ftpProxy", text(ftpProxy)),
            ("noProxy", text(noProxy)),
            ("allProxy", text(allProxy))
        )
    }
}

extension Pb_Mount {
    fileprivate var json: JSONValue {
        members(
            ("input", number(input)),
            ("selector", text(selector)),
            ("dest", text(dest)),
            ("output", number(output)),
            ("readonly", flag(readonly)),
            ("mountType", Self.name(of: mountType)),
            ("TmpfsOpt", hasTmpfsOpt ? members(("size", number(tmpfsOpt.size))) : nil),
            ("cacheOpt", hasCacheOpt ? cacheOpt.json : nil),
            (
                "secretOpt",
                hasSecretOpt
                    ? Self.file(secretOpt.id, secretOpt.uid, secretOpt.gid, secretOpt.mode, secretOpt.optional) : nil
            ),
            ("SSHOpt", hasSshopt ? Self.file(sshopt.id, sshopt.uid, sshopt.gid, sshopt.mode, sshopt.optional) : nil),
            ("resultID", text(resultID)),
            ("contentCache", contentCache == .default ? nil : .string(contentCache == .on ? "ON" : "OFF"))
        )
    }

    private static func name(of type: Pb_MountType) -> JSONValue? {
        switch type {
        case .bind: nil
        case .secret: .string("SECRET")
        case .ssh: .string("SSH")
        case .cache: .string("CACHE")
        case .tmpfs: .string("TMPFS")
        case .UNRECOGNIZED(let number): .number(number)
        }
    }

    private static func file(_ id: Data, _ user: UInt32, _ group: UInt32, _ mode: UInt32, _ isOptional: Bool)
        -> JSONValue
    {
        members(
            ("ID", text(id)),
            ("uid", number(user)),
            ("gid", number(group)),
            ("mode", number(mode)),
            ("optional", flag(isOptional))
        )
    }
}

extension Pb_CacheOpt {
    fileprivate var json: JSONValue {
        members(
            ("ID", text(id)),
            ("sharing", sharing == .shared ? nil : .string(sharing == .private ? "PRIVATE" : "LOCKED"))
        )
    }
}

// MARK: Files

extension Pb_FileAction {
    fileprivate var json: JSONValue {
        var change: (String, JSONValue?) = ("", nil)
        switch action {
        case .copy(let copy)?: change = ("copy", copy.json)
        case .mkfile(let made)?:
            let owner = made.hasOwner ? made.owner.json : nil
            let json = members(
                ("path", text(made.path)),
                ("mode", number(made.mode)),
                ("data", base64(made.data)),
                ("owner", owner),
                ("timestamp", number(made.timestamp))
            )
            change = ("mkfile", json)
        case .mkdir(let made)?:
            let json = members(
                ("path", text(made.path)),
                ("mode", number(made.mode)),
                ("makeParents", flag(made.makeParents)),
                ("owner", made.hasOwner ? made.owner.json : nil),
                ("timestamp", number(made.timestamp))
            )
            change = ("mkdir", json)
        case .rm(let removal)?:
            let json = members(
                ("path", text(removal.path)),
                ("allowNotFound", flag(removal.allowNotFound)),
                ("allowWildcard", flag(removal.allowWildcard))
            )
            change = ("rm", json)
        case .symlink(let link)?:
            let json = members(
                ("oldpath", text(link.oldpath)),
                ("newpath", text(link.newpath)),
                ("owner", link.hasOwner ? link.owner.json : nil),
                ("timestamp", number(link.timestamp))
            )
            change = ("symlink", json)
        case nil: break
        }
        return members(
            ("input", number(input)),
            ("secondaryInput", number(secondaryInput)),
            ("output", number(output)),
            change
        )
    }
}

extension Pb_FileActionCopy {
    fileprivate var json: JSONValue {
        members(
            ("src", text(src)),
            ("dest", text(dest)),
            ("owner", hasOwner ? owner.json : nil),
            ("mode", number(mode)),
            ("followSymlink", flag(followSymlink)),
            ("dirCopyContents", flag(dirCopyContents)),
            ("attemptUnpackDockerCompatibility", flag(attemptUnpackDockerCompatibility)),
            ("createDestPath", flag(createDestPath)),
            ("allowWildcard", flag(allowWildcard)),
            ("allowEmptyWildcard", flag(allowEmptyWildcard)),
            ("timestamp", number(timestamp)),
            ("includePatterns", texts(includePatterns)),
            ("excludePatterns", texts(excludePatterns)),
            ("alwaysReplaceExistingDestPaths", flag(alwaysReplaceExistingDestPaths)),
            ("modeStr", text(modeStr)),
            ("requiredPaths", texts(requiredPaths))
        )
    }
}

extension Pb_ChownOpt {
    fileprivate var json: JSONValue {
        members(("user", hasUser ? user.json : nil), ("group", hasGroup ? group.json : nil))
    }
}

extension Pb_UserOpt {
    // A member of a union is there also with its default value.
    fileprivate var json: JSONValue {
        switch user {
        case .byName(let user)?: members(("byName", members(("name", text(user.name)), ("input", number(user.input)))))
        case .byID(let id)?: members(("byID", .numeral("\(id)")))
        case nil: .object([])
        }
    }
}

// MARK: Metadata and source

extension Pb_OpMetadata {
    // Go's encoder takes the names of the file, and numbers are numbers.
    fileprivate var json: JSONValue {
        func plain<Number: FixedWidthInteger>(_ value: Number) -> JSONValue? { value == 0 ? nil : .numeral("\(value)") }
        let descriptions = description_p.map { ($0, JSONValue.string(String(decoding: $1, as: UTF8.self))) }
        let group = members(
            ("id", text(progressGroup.id)),
            ("name", text(progressGroup.name)),
            ("weak", flag(progressGroup.weak))
        )
        let resources = members(
            ("memory", plain(linuxResources.memory)),
            ("memorySwap", plain(linuxResources.memorySwap)),
            ("cpuShares", plain(linuxResources.cpuShares)),
            ("cpuPeriod", plain(linuxResources.cpuPeriod)),
            ("cpuQuota", plain(linuxResources.cpuQuota)),
            ("cpusetCpus", text(linuxResources.cpusetCpus)),
            ("cpusetMems", text(linuxResources.cpusetMems))
        )
        return members(
            ("ignore_cache", flag(ignoreCache)),
            ("description", descriptions.isEmpty ? nil : object(descriptions)),
            ("export_cache", hasExportCache ? members(("Value", flag(exportCache.value))) : nil),
            ("caps", caps.isEmpty ? nil : object(caps.map { ($0, .bool($1)) })),
            ("progress_group", hasProgressGroup ? group : nil),
            ("linux_resources", hasLinuxResources ? resources : nil)
        )
    }
}

extension Pb_Source {
    fileprivate var json: JSONValue {
        func position(_ position: Pb_Position) -> JSONValue {
            members(("line", number(position.line)), ("character", number(position.character)))
        }
        let places = locations.map { digest, locations in
            let found = list(locations.locations) { location in
                let ranges = list(location.ranges) { range in
                    members(
                        ("start", range.hasStart ? position(range.start) : nil),
                        ("end", range.hasEnd ? position(range.end) : nil)
                    )
                }
                return members(("sourceIndex", number(location.sourceIndex)), ("ranges", ranges))
            }
            return (digest, members(("locations", found)))
        }
        let files = list(infos) { file in
            members(
                ("filename", text(file.filename)),
                ("data", base64(file.data)),
                ("language", text(file.language))
            )
        }
        return members(("locations", places.isEmpty ? nil : object(places)), ("infos", files))
    }
}
