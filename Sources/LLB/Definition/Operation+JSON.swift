import BuildKitProto
import FoundationEssentials
import SwiftProtobuf
package import Text

extension Node {
    /// The operation as a document, by the rules of protobuf's JSON.
    package var json: JSONValue {
        // The node was made of these bytes, or they of it.
        (try? Pb_Op(serializedBytes: bytes))?.json(.protobuf) ?? .object([])
    }
}

extension Pb_Op {
    func json(_ style: JSONStyle) -> JSONValue {
        let action = action(style)
        let inputs = list(inputs) { members(("digest", text($0.digest)), ("index", style.number($0.index))) }
        let platform = hasPlatform ? platform.json : nil
        let filter = hasConstraints ? members(("filter", list(constraints.filter) { .string($0) })) : nil
        switch style {
        case .protobuf:
            return members(
                ("inputs", inputs),
                (action?.name ?? "", action?.value),
                ("platform", platform),
                ("constraints", filter)
            )
        case .go:
            return members(
                ("inputs", inputs),
                ("Op", .object(action.map { [$0] } ?? [])),
                ("platform", platform),
                ("constraints", filter)
            )
        }
    }

    private func action(_ style: JSONStyle) -> JSONValue.Member? {
        switch op {
        case .exec(let exec)?: return .init("exec", exec.json(style))
        case .source(let source)?:
            let attributes = source.attrs.map { ($0, JSONValue.string(String(decoding: $1, as: UTF8.self))) }
            let json = members(
                ("identifier", text(source.identifier)),
                ("attrs", attributes.isEmpty ? nil : object(attributes))
            )
            return .init("source", json)
        case .file(let file)?:
            return .init("file", members(("actions", list(file.actions) { $0.json(style) })))
        case .merge(let merge)?:
            let inputs = list(merge.inputs) { members(("input", style.number($0.input))) }
            return .init("merge", members(("inputs", inputs)))
        case .diff(let diff)?:
            let lower = diff.hasLower ? members(("input", style.number(diff.lower.input))) : nil
            let upper = diff.hasUpper ? members(("input", style.number(diff.upper.input))) : nil
            return .init("diff", members(("lower", lower), ("upper", upper)))
        case .build(let build)?:
            let inputs = build.inputs.map { ($0, members(("input", style.number($1.input)))) }
            let attributes = build.attrs.map { ($0, JSONValue.string(String(decoding: $1, as: UTF8.self))) }
            let json = members(
                ("builder", style.number(build.builder)),
                ("inputs", inputs.isEmpty ? nil : object(inputs)),
                ("attrs", attributes.isEmpty ? nil : object(attributes))
            )
            return .init("build", json)
        case .passthrough(let passthrough)?:
            let outputs = JSONValue.array(passthrough.outputs.map { style.number($0) ?? .number(0) })
            return .init("passthrough", members(("id", base64(passthrough.id)), ("outputs", outputs)))
        // No definition that was read has none.
        case nil: return nil
        }
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
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            ("meta", hasMeta ? meta.json(style) : nil),
            ("mounts", list(mounts) { $0.json(style) }),
            ("network", style.value(network, network == .host ? "HOST" : "NONE")),
            ("security", style.value(security, "INSECURE")),
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
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            ("args", texts(args)),
            ("env", texts(env)),
            ("cwd", text(cwd)),
            ("user", text(user)),
            (style.name("proxyEnv", "proxy_env"), hasProxyEnv ? proxyEnv.json(style) : nil),
            ("extraHosts", list(extraHosts) { members(("Host", text($0.host)), ("IP", text($0.ip))) }),
            ("hostname", text(hostname)),
            (
                "ulimit",
                list(ulimit) {
                    members(("Name", text($0.name)), ("Soft", style.number($0.soft)), ("Hard", style.number($0.hard)))
                }
            ),
            ("cgroupParent", text(cgroupParent)),
            ("removeMountStubsRecursive", flag(removeMountStubsRecursive)),
            ("validExitCodes", list(validExitCodes) { .numeral("\($0)") })
        )
    }
}

extension Pb_ProxyEnv {
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            (style.name("httpProxy", "http_proxy"), text(httpProxy)),
            (style.name("httpsProxy", "https_proxy"), text(httpsProxy)),
            (style.name("ftpProxy", "ftp_proxy"), text(ftpProxy)),
            (style.name("noProxy", "no_proxy"), text(noProxy)),
            (style.name("allProxy", "all_proxy"), text(allProxy))
        )
    }
}

extension Pb_Mount {
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            ("input", style.number(input)),
            ("selector", text(selector)),
            ("dest", text(dest)),
            ("output", style.number(output)),
            ("readonly", flag(readonly)),
            ("mountType", style.value(mountType, Self.name(of: mountType))),
            ("TmpfsOpt", hasTmpfsOpt ? members(("size", style.number(tmpfsOpt.size))) : nil),
            ("cacheOpt", hasCacheOpt ? cacheOpt.json(style) : nil),
            (
                "secretOpt",
                hasSecretOpt
                    ? style.file(secretOpt.id, secretOpt.uid, secretOpt.gid, secretOpt.mode, secretOpt.optional) : nil
            ),
            ("SSHOpt", hasSshopt ? style.file(sshopt.id, sshopt.uid, sshopt.gid, sshopt.mode, sshopt.optional) : nil),
            ("resultID", text(resultID)),
            ("contentCache", style.value(contentCache, contentCache == .on ? "ON" : "OFF"))
        )
    }

    private static func name(of type: Pb_MountType) -> String {
        switch type {
        case .bind: "BIND"
        case .secret: "SECRET"
        case .ssh: "SSH"
        case .cache: "CACHE"
        case .tmpfs: "TMPFS"
        case .UNRECOGNIZED(let number): "\(number)"
        }
    }
}

extension JSONStyle {
    fileprivate func file(_ id: Data, _ user: UInt32, _ group: UInt32, _ mode: UInt32, _ isOptional: Bool)
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
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            ("ID", text(id)),
            ("sharing", style.value(sharing, sharing == .private ? "PRIVATE" : "LOCKED"))
        )
    }
}

// MARK: Files

extension Pb_FileAction {
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        var change: (String, JSONValue?) = ("", nil)
        switch action {
        case .copy(let copy)?: change = ("copy", copy.json(style))
        case .mkfile(let made)?:
            let owner = made.hasOwner ? made.owner.json(style) : nil
            let json = members(
                ("path", text(made.path)),
                ("mode", style.number(made.mode)),
                ("data", base64(made.data)),
                ("owner", owner),
                ("timestamp", style.number(made.timestamp))
            )
            change = ("mkfile", json)
        case .mkdir(let made)?:
            let json = members(
                ("path", text(made.path)),
                ("mode", style.number(made.mode)),
                ("makeParents", flag(made.makeParents)),
                ("owner", made.hasOwner ? made.owner.json(style) : nil),
                ("timestamp", style.number(made.timestamp))
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
                ("owner", link.hasOwner ? link.owner.json(style) : nil),
                ("timestamp", style.number(link.timestamp))
            )
            change = ("symlink", json)
        case nil: break
        }
        switch style {
        case .protobuf:
            return members(
                ("input", style.number(input)),
                ("secondaryInput", style.number(secondaryInput)),
                ("output", style.number(output)),
                change
            )
        case .go:
            return members(
                ("input", .numeral("\(input)")),
                ("secondaryInput", .numeral("\(secondaryInput)")),
                ("output", .numeral("\(output)")),
                ("Action", members(change))
            )
        }
    }
}

extension Pb_FileActionCopy {
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(
            ("src", text(src)),
            ("dest", text(dest)),
            ("owner", hasOwner ? owner.json(style) : nil),
            ("mode", style.number(mode)),
            ("followSymlink", flag(followSymlink)),
            ("dirCopyContents", flag(dirCopyContents)),
            ("attemptUnpackDockerCompatibility", flag(attemptUnpackDockerCompatibility)),
            ("createDestPath", flag(createDestPath)),
            ("allowWildcard", flag(allowWildcard)),
            ("allowEmptyWildcard", flag(allowEmptyWildcard)),
            ("timestamp", style.number(timestamp)),
            (style.name("includePatterns", "include_patterns"), texts(includePatterns)),
            (style.name("excludePatterns", "exclude_patterns"), texts(excludePatterns)),
            ("alwaysReplaceExistingDestPaths", flag(alwaysReplaceExistingDestPaths)),
            ("modeStr", text(modeStr)),
            (style.name("requiredPaths", "required_paths"), texts(requiredPaths))
        )
    }
}

extension Pb_ChownOpt {
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        members(("user", hasUser ? user.json(style) : nil), ("group", hasGroup ? group.json(style) : nil))
    }
}

extension Pb_UserOpt {
    // A member of a union is there also with its default value, but for Go's encoder.
    fileprivate func json(_ style: JSONStyle) -> JSONValue {
        let user: JSONValue =
            switch user {
            case .byName(let user)?:
                members(("byName", members(("name", text(user.name)), ("input", style.number(user.input)))))
            case .byID(let id)?: members((style.name("byID", "byId"), style == .go ? plain(id) : .numeral("\(id)")))
            case nil: .object([])
            }
        return style == .go ? .object([.init("User", user)]) : user
    }
}
