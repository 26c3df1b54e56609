import CSwiftNN

/// y = exp(x - max) / Σ exp(x - max) along an axis, or its logarithm. Threads: rows.
@_cdecl("snn_softmax_forward") @implementation
public func snn_softmax_forward(_ args: UnsafePointer<snn_softmax_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "softmax") == Int32(SNN_FLOAT32) {
            try softmaxForward(args.pointee, Float.self)
        } else {
            try softmaxForward(args.pointee, Double.self)
        }
    }
}

func softmaxForward<T: Element>(_ args: snn_softmax_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "softmax", T.self)
    let dims = max(x.count, 1)
    guard args.axis >= -Int64(dims) && args.axis < Int64(dims) else {
        throw Message("softmax: dim is ").number(Int(args.axis)).text("; input has ").number(x.count).text(" dimensions").indexError
    }
    guard try output(args.y, T.dtype, x.shape) else { return }
    let y = args.y.pointee.data(T.self)
    if x.size == 0 { return }
    let axis = Int(args.axis) < 0 ? Int(args.axis) + dims : Int(args.axis)
    let n = x.count == 0 ? 1 : x.shape[axis]
    let step = x.count == 0 ? 1 : x.strides[axis]
    // All other dimensions are rows; in y their distance along the axis is the product of the sizes behind it.
    var others = Shape()
    var otherStrides = Shape()
    for i in 0..<x.count where i != axis {
        others.append(x.shape[i])
        otherStrides.append(x.strides[i])
    }
    let rows = ArrayView(data: x.data, shape: others, strides: otherStrides)
    let behind = x.count == 0 ? 1 : x.shape.slice(axis + 1, x.count).size
    let threads = ThreadPool.threads(forWork: x.size * 8)
    let scratch = try Scratch<T>(n * threads)
    defer { scratch.release() }
    let perTask = max(1, 4096 / n)
    ThreadPool.run(ceilDivide(rows.size, perTask), threads: threads) { task, worker in
        for row in (task * perTask)..<min(rows.size, (task + 1) * perTask) {
            let from = rows.data + rows.offset(row, dims: rows.count)
            let to = y + (row / behind * n * behind + row % behind)
            if behind == 1 && step == 1 {
                T.kernels.pointee.softmax(from, to, Int64(n), args.log != 0 ? 1 : 0)
                continue
            }
            let line = scratch.base + worker * n
            T.kernels.pointee.copy(from, Int64(step), line, Int64(n))
            T.kernels.pointee.softmax(line, line, Int64(n), args.log != 0 ? 1 : 0)
            for i in 0..<n { to[i &* behind] = line[i] }
        }
    }
}
