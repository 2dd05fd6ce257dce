import BuildGraph
import LLB
import LinuxSystem
import Snapshots
import SystemPackage
internal import Text

/// Makes what the graph describes that is in a file of a tree.
struct NestedBuildOperation: VertexOperation {
    let file: [UInt8]
    let environment: OperationEnvironment

    /// The steps of the graph wait for slots of their own.
    var occupiesSlot: Bool { false }

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(components: [KeyComponent("kind", "build"), KeyComponent("file", file)], inputs: [.definition])
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        guard let input = inputs.first else { throw OperationError.unsupported("a nested build without a tree") }
        let limit = DefinitionLimits().size
        let bytes = try await environment.withSource(input) { source in
            try await onBlockingPool { [file] in
                let path = FilePath(bytes: file)
                do throws(SystemCallError) {
                    let opened = try source.root.open(path, [.readOnly, .nonBlocking])
                    // A FIFO or a device would never end.
                    guard try opened.status().type == .regular else {
                        throw SystemCallError("open", path: path, errno: .invalidArgument)
                    }
                    return try opened.readToEnd(limit: limit)
                } catch {
                    throw OperationError.fileSystem(error, path: file)
                }
            }
        }
        return [.tree(try await environment.build(try Definition.load(bytes)))]
    }
}
