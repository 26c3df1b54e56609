import CSwiftNN

/// y[..., :] = weight[indices[...], :]. Shapes: indices any, weight (rows, width), y indices.shape + (width). Threads: indices.
@_cdecl("snn_embedding_forward") @implementation
public func snn_embedding_forward(_ args: UnsafePointer<snn_embedding_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.weight, "embedding") == Int32(SNN_FLOAT32) {
            try embeddingForward(args.pointee, Float.self)
        } else {
            try embeddingForward(args.pointee, Double.self)
        }
    }
}

func embeddingForward<T: Element>(_ args: snn_embedding_forward_args, _: T.Type) throws(Failure) {
    let indices = try indexView(args.indices, "input", "embedding")
    let weight = try view(args.weight, "weight", "embedding", T.self)
    guard weight.count == 2 else {
        throw Message("embedding: weight has shape ").shape(weight.shape).text("; expected (num_embeddings, embedding_dim)").shapeError
    }
    guard indices.count < Int(SNN_MAX_DIMS) else { throw Message("embedding: input has too many dimensions").shapeError }
    let width = weight.shape[1]
    var shape = indices.shape
    shape.append(width)
    guard try output(args.y, T.dtype, shape) else { return }
    let y = args.y.pointee.data(T.self)
    let count = indices.size
    for i in 0..<count {
        let index = Int(indices.data[indices.offset(i, dims: indices.count)])
        guard index >= 0 && index < weight.shape[0] else {
            throw Message("embedding: input has the index ").number(index).text("; expected 0 <= index < num_embeddings = ")
                .number(weight.shape[0]).indexError
        }
    }
    let perTask = max(1, 16_384 / max(width, 1))
    ThreadPool.run(ceilDivide(count, perTask), threads: ThreadPool.threads(forWork: count &* width / 2)) { task, _ in
        for i in (task * perTask)..<min(count, (task + 1) * perTask) {
            // Another thread may have changed the array since the check: an index never leaves the table.
            let index = Int(indices.data[indices.offset(i, dims: indices.count)])
            let row = max(0, min(index, weight.shape[0] - 1))
            T.kernels.pointee.copy(weight.data + row * weight.strides[0], Int64(weight.strides[1]), y + i * width, Int64(width))
        }
    }
}
