import CSwiftNN

/// y = residual + act(x W^T + bias)
///
/// Shapes: x (..., k), weight (n, k), bias (n), residual and y (..., n). Threads: columns of y while it has few rows, else its rows.
@_cdecl("snn_linear_forward") @implementation
public func snn_linear_forward(_ args: UnsafePointer<snn_linear_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "linear") == Int32(SNN_FLOAT32) {
            try linearForward(args.pointee, Float.self)
        } else {
            try linearForward(args.pointee, Double.self)
        }
    }
}

func linearForward<T: Element>(_ args: snn_linear_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "linear", T.self)
    var weight = try view(args.weight, "weight", "linear", T.self)
    var bias = try optionalView(args.bias, "bias", "linear", T.self)
    let residual = try optionalView(args.residual, "residual", "linear", T.self)
    guard weight.count == 2 else {
        throw Message("linear: weight has shape ").shape(weight.shape).text("; expected (out_features, in_features)").shapeError
    }
    try require(bias, Shape(weight.shape[0]), "bias", "linear")
    let first = Int(args.first)
    if args.rows != 0 || first != 0 {
        let rows = Int(args.rows)
        guard first >= 0, rows > 0, rows <= weight.shape[0], first <= weight.shape[0] - rows else {
            throw Message("linear: rows are ").number(first).text(" ..< ").number(first).text(" + ").number(rows).text("; weight has ")
                .number(weight.shape[0]).valueError
        }
        weight = weight.rows(first, rows)
        bias = bias.map { $0.rows(first, rows) }
    }
    let n = weight.shape[0], k = weight.shape[1]
    guard x.count >= 1 && x.shape[x.count - 1] == k else {
        throw Message("linear: input has shape ").shape(x.shape).text("; its last dimension has to be in_features = ").number(k).shapeError
    }
    var shape = x.shape
    shape[x.count - 1] = n
    try require(residual, shape, "residual", "linear")
    guard try output(args.y, T.dtype, shape) else { return }
    let y = args.y.pointee.data(T.self)

    // Rows with more than two strides (a three-fold transposed input) are made contiguous first.
    let input: RowMatrix<T>
    var copied: Contiguous<T>?
    if let direct = RowMatrix(lastDimension: x) {
        input = direct
    } else {
        let copy = try Contiguous(x)
        copied = copy
        input = RowMatrix(copy.data, rows: x.size / max(k, 1), rowStride: k, columnStride: 1)
    }
    defer { copied?.release() }
    var epilogue = Epilogue<T>()
    try epilogue.activate(args.activation, "linear")
    let b = try bias.map { (b) throws(Failure) in try Contiguous(b) }
    defer { b?.release() }
    epilogue.columnBias = b?.data
    let r = try residual.map { (r) throws(Failure) in try Contiguous(r) }
    defer { r?.release() }
    epilogue.residual = r?.data
    epilogue.residualStride = n
    let columns = RowMatrix(weight.data, rows: n, rowStride: weight.strides[0], columnStride: weight.strides[1])
    let width = Int(T.kernels.pointee.nr)
    let kept =
        isSmall(m: input.rows, n: n, k: k)
        ? nil
        : try keptOnly(
            args.weight, PreparedKey(kind: .gemmPanels, a: first, b: n), count: PackedMatrix<T>.size(rows: n, depth: k, width: width)
        ) { memory in
            PackedMatrix(memory, depth: k, width: width).pack(columns, depth: k, threads: ThreadPool.threads(forWork: n &* k))
        }
    defer { kept?.release() }
    try gemm(
        input, columns, panels: kept.map { PackedMatrix($0.base, depth: k, width: width) }, k: k, c: y, ldc: n, epilogue: epilogue)
}

/// y[n,o] = Σ_ij x1[n,i] W[o,i,j] x2[n,j] + bias[o]: for every o the product x1 W_o, then its rows' dot products with x2.
///
/// Shapes: x1 (..., i), x2 (..., j) with the same leading dimensions, weight (o, i, j), bias (o), y (..., o).
@_cdecl("snn_bilinear_forward") @implementation
public func snn_bilinear_forward(_ args: UnsafePointer<snn_bilinear_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x1, "bilinear") == Int32(SNN_FLOAT32) {
            try bilinearForward(args.pointee, Float.self)
        } else {
            try bilinearForward(args.pointee, Double.self)
        }
    }
}

func bilinearForward<T: Element>(_ args: snn_bilinear_forward_args, _: T.Type) throws(Failure) {
    let x1 = try view(args.x1, "input1", "bilinear", T.self)
    let x2 = try view(args.x2, "input2", "bilinear", T.self)
    let weight = try view(args.weight, "weight", "bilinear", T.self)
    let bias = try optionalView(args.bias, "bias", "bilinear", T.self)
    guard weight.count == 3 else {
        throw Message("bilinear: weight has shape ").shape(weight.shape).text("; expected (out, in1, in2)").shapeError
    }
    let o = weight.shape[0], i = weight.shape[1], j = weight.shape[2]
    guard x1.count >= 1, x1.count == x2.count, x1.shape[x1.count - 1] == i, x2.shape[x2.count - 1] == j,
        x1.shape.slice(0, x1.count - 1) == x2.shape.slice(0, x2.count - 1)
    else {
        throw Message("bilinear: inputs have shapes ").shape(x1.shape).text(" and ").shape(x2.shape)
            .text("; expected the same leading dimensions and last dimensions ").number(i).text(" and ").number(j).shapeError
    }
    try require(bias, Shape(o), "bias", "bilinear")
    var shape = x1.shape
    shape[x1.count - 1] = o
    guard try output(args.y, T.dtype, shape) else { return }
    let y = args.y.pointee.data(T.self)
    let a = try Contiguous(x1)
    defer { a.release() }
    let b = try Contiguous(x2)
    defer { b.release() }
    let rows = shape.slice(0, shape.count - 1).size
    let product = try Scratch<T>(rows * j)
    defer { product.release() }
    for q in 0..<o {
        // x1 (rows, i) times W_o (i, j), given by its columns
        let w = RowMatrix(weight.data + q * weight.strides[0], rows: j, rowStride: weight.strides[2], columnStride: weight.strides[1])
        try gemm(RowMatrix(a.data, rows: rows, rowStride: i, columnStride: 1), w, k: i, c: product.base, ldc: j, epilogue: Epilogue())
        let start = bias.map { Double($0.data[q * $0.strides[0]]) } ?? 0
        for r in 0..<rows {
            y[r * o + q] = T(start + T.kernels.pointee.dot(product.base + r * j, b.data + r * j, Int64(j)))
        }
    }
}
