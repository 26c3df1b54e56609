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
    let bytes = width &* MemoryLayout<T>.stride
    let streams = count &* bytes >= Blocking.streamRowsBytes && bytes % 64 == 0 && weight.strides[1] == 1
    ThreadPool.run(ceilDivide(count, perTask), threads: ThreadPool.threads(forWork: count &* width / 2)) { task, _ in
        for i in (task * perTask)..<min(count, (task + 1) * perTask) {
            // Another thread may have changed the array since the check: an index never leaves the table.
            let index = Int(indices.data[indices.offset(i, dims: indices.count)])
            let row = max(0, min(index, weight.shape[0] - 1))
            let from = weight.data + row * weight.strides[0]
            if streams {
                T.kernels.pointee.stream(from, y + i * width, Int64(width))
            } else {
                T.kernels.pointee.copy(from, Int64(weight.strides[1]), y + i * width, Int64(width))
            }
        }
        if streams { snn_stream_end() }
    }
}

/// Of y[..., :] = weight[indices[...], :]: dweight[i, :] = Σ dy[place, :] over the places where indices is i, in their order; with
/// scale_grad_by_freq divided by their number; zeros in row padding_idx. Threads: rows of dweight.
@_cdecl("snn_embedding_backward") @implementation
public func snn_embedding_backward(_ args: UnsafePointer<snn_embedding_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "embedding_backward") == Int32(SNN_FLOAT32) {
            try embeddingBackward(args.pointee, Float.self)
        } else {
            try embeddingBackward(args.pointee, Double.self)
        }
    }
}

private func embeddingBackward<T: Element>(_ args: snn_embedding_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "embedding_backward"
    let dy = try view(args.dy, "dy", name, T.self)
    let indices = try indexView(args.indices, "indices", name)
    let shape = try sizes(args.weight_shape, args.weight_shape_count, "weight_shape", name)
    guard shape.count == 2 else {
        throw Message(name).text(": weight_shape is ").shape(shape).text("; expected (num_embeddings, embedding_dim)").shapeError
    }
    let rows = shape[0], width = shape[1]
    guard dy.count == indices.count + 1, dy.shape.slice(0, indices.count) == indices.shape, dy.shape[indices.count] == width else {
        throw Message(name).text(": dy has shape ").shape(dy.shape).text("; expected indices' ").shape(indices.shape)
            .text(" and embedding_dim = ").number(width).shapeError
    }
    guard try output(args.dweight, T.dtype, shape) else { return }
    let dweight = args.dweight.pointee.data(T.self)
    let count = indices.size
    let scratch = try Scratch<Int64>(2 * count)
    defer { scratch.release() }
    let index = scratch.base, places = index + count
    var kept = 0
    for i in 0..<count {
        let row = Int(indices.data[indices.offset(i, dims: indices.count)])
        guard row >= 0 && row < rows else {
            throw Message(name).text(": indices has the index ").number(row).text("; expected 0 <= index < num_embeddings = ").number(rows)
                .indexError
        }
        if row == Int(args.padding_idx) { continue }
        index[kept] = Int64(row)
        places[kept] = Int64(i)
        kept += 1
    }
    let gradient = try Matrix(dy, rows: count, columns: width, contiguousRows: true)
    defer { gradient.release() }
    try scatterRows(
        gradient, from: places, to: index, kept, scales: nil, dweight, rows: rows, byFrequency: args.scale_grad_by_freq != 0)
}

/// y[to[i], :] = Σ scales[i] x[from[i], :] for `count` places i in their order, zeros where there is none; byFrequency: divided by their
/// number. Threads: rows of y.
func scatterRows<T: Element>(
    _ x: Matrix<T>, from: UnsafePointer<Int64>, to: UnsafePointer<Int64>, _ count: Int, scales: UnsafePointer<T>?,
    _ y: UnsafeMutablePointer<T>, rows: Int, byFrequency: Bool
) throws(Failure) {
    // What is added up, in the order of the rows of y, and where each row's end.
    let scratch = try Scratch<Int64>(count + rows + 1)
    defer { scratch.release() }
    let sources = scratch.base, ends = sources + count
    let factors = scales == nil ? nil : try Scratch<T>(count)
    defer { factors?.release() }
    memset(ends, 0, (rows + 1) * MemoryLayout<Int64>.stride)
    for i in 0..<count { ends[Int(to[i]) + 1] += 1 }
    for row in 0..<rows { ends[row + 1] += ends[row] }
    for i in 0..<count {
        let at = Int(ends[Int(to[i])])
        sources[at] = from[i]
        if let scales, let factors { factors.base[at] = scales[i] }
        ends[Int(to[i])] += 1
    }
    let width = x.columns
    let perTask = max(1, 16_384 / max(width, 1))
    let work = rows &* width / 4 &+ count &* width / 2
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: work)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let first = row == 0 ? 0 : Int(ends[row - 1]), last = Int(ends[row])
            let line = y + row * width
            if first == last {
                memset(line, 0, width * MemoryLayout<T>.stride)
                continue
            }
            sumRows(x, sources + first, last - first, factors.map { UnsafePointer($0.base + first) }, divisor: 1, line)
            if byFrequency && last - first > 1 { T.kernels.pointee.scale(line, 1 / Double(last - first), Int64(width)) }
        }
    }
}
